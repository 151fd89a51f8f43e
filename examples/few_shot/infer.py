"""Label the lines of data.txt with a model that train.py --do_export wrote, by ONNX Runtime alone.

python infer.py --model_path_prefix ckpt/export/model --data_dir ./data --batch_size 32 --device cpu

It needs onnxruntime, tokenizers and numpy, and the example infer_onnx beside this folder; neither PALM nor Paddle.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent / "infer_onnx"))

from run import Model  # noqa: E402 (beside the examples' folders)

TASK = "few_shot"


def main() -> None:
    args = parse(sys.argv[1:])
    model = Model(folder_of(args.model_path_prefix), args.num_threads)
    choose_device(model, args)
    model.description["tasks"][TASK]["reader_settings"]["max_seq_len"] = length_of(model, args)
    texts = lines_of(Path(args.data_dir) / "data.txt")
    for start in range(0, len(texts), args.batch_size):
        batch = texts[start : start + args.batch_size]
        for text, prediction in zip(batch, model.predict(TASK, [{"text_a": each} for each in batch]), strict=True):
            labels = prediction["labels"] if "labels" in prediction else [prediction["label"]]
            print(f"input data: {text}")
            print(f"labels: {', '.join(labels)}")
            print("-----------------------------")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_path_prefix", required=True, help="output_dir/export/model of train.py --do_export")
    parser.add_argument("--model_name_or_path", help="without effect: the tokenizer is that of the exported model")
    parser.add_argument("--data_dir", default="./data", help="folder of data.txt, with a text in each line")
    parser.add_argument("--max_seq_length", type=int, default=128, help="tokens, with the prompt, which is never cut")
    parser.add_argument("--batch_size", type=int, default=200)
    parser.add_argument("--num_threads", type=int, default=physical_cores(), help="by default the physical cores")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="gpu", help="gpu, if ONNX Runtime has it, or cpu")
    parser.add_argument("--device_id", type=int, default=0)
    parser.add_argument("--use_fp16", action="store_true", help="without effect: graphs compute in float32")
    args = parser.parse_args(argv)
    if args.batch_size < 1 or args.num_threads < 0 or args.max_seq_length < 3:
        parser.error("--batch_size is at least 1, --num_threads at least 0, --max_seq_length at least 3.")
    for name in ("model_name_or_path", "use_fp16"):
        if getattr(args, name):
            say(f"--{name} has no effect: the graph has its own tokenizer and computes in float32.")
    return args


def physical_cores() -> int:
    """Cores without their second threads, of those that this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    files = (Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list") for number in allowed)
    try:
        return len({file.read_text() for file in files})
    except OSError:
        return len(allowed)


def folder_of(prefix: str) -> Path:
    """The folder with the graph of a prefix; beside Paddle's static format train.py writes it into export/onnx."""
    home = Path(prefix).parent
    for folder in (home, home / "onnx"):
        if (folder / f"{Path(prefix).name}.onnx").is_file() and (folder / "export.json").is_file():
            return folder
    raise SystemExit(f"{prefix}.onnx: no graph here. Write it with train.py --do_export --export_type onnx.")


def choose_device(model: Model, args: argparse.Namespace) -> None:
    """Compute on the GPU if it is asked for and ONNX Runtime has it."""
    provider = "CUDAExecutionProvider"
    if args.device == "cpu":
        return
    if provider not in onnxruntime.get_available_providers():
        say("--device gpu: this ONNX Runtime computes on the CPU alone (onnxruntime-gpu has both).")
        return
    model.session.set_providers([(provider, {"device_id": args.device_id}), "CPUExecutionProvider"])


def length_of(model: Model, args: argparse.Namespace) -> int:
    """Tokens of a sequence: no more than the model has seen positions for."""
    trained = int(model.description["tasks"][TASK]["reader_settings"]["max_seq_len"])
    if args.max_seq_length > trained:
        say(f"--max_seq_length {args.max_seq_length}: the model was trained with {trained} tokens, which are taken.")
    return int(np.minimum(args.max_seq_length, trained))


def lines_of(file: Path) -> list[str]:
    """The texts of a file."""
    if not file.is_file():
        raise SystemExit(f"--data_dir: {file} is expected, with a text in each line. Found none. Correct the folder.")
    return [line for line in file.read_text(encoding="utf-8-sig").split("\n") if line.strip()]


def say(line: str) -> None:
    """Tell the user something on stderr."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
