"""Creates the virtual environment of the peers: PyTorch, transformers with its Trainer, ONNX Runtime, OpenVINO.

    python -m benchmarks.speed.make_peers .peers [options of pip, such as --index-url …]

PyPI's build of PyTorch for Linux includes CUDA; PyTorch's own index of CPU builds has a small one.
"""

import argparse
import subprocess
import venv
from pathlib import Path

PACKAGES = ("torch==2.13.0", "transformers>=5", "accelerate>=1.1")
# Each of them may be missing: its rows then say why.
OPTIONAL = ("onnx", "onnxscript", "onnxruntime", "openvino")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to create it")
    args, pip_options = parser.parse_known_args()
    venv.create(args.folder, with_pip=True)
    python = args.folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", *pip_options, *PACKAGES], check=True)
    for package in OPTIONAL:
        subprocess.run([python, "-m", "pip", "install", *pip_options, package], check=False)


if __name__ == "__main__":
    main()
