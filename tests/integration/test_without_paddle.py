"""Environments without Paddle, or with two builds of it: what works there, and the messages, in processes of their own.

The environment is a folder with links to the packages of this one, Paddle left out; Python starts without its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import palm
from tests.integration.documents import ROOT
from tests.integration.small_encoder import write_small_encoder

CONFIG = str(ROOT / "configs" / "travel_en_tiny.yaml")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every installed package but Paddle."""
    folder = tmp_path_factory.mktemp("packages")
    own = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    for entry in own.iterdir():
        if not entry.name.lower().startswith(("paddle", "_distutils", "distutils")) and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder


def run(packages: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join([str(Path(palm.__file__).parents[1]), str(packages)])
    environment = {**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1", "PALM_CACHE": str(cwd / "cache")}
    command = [sys.executable, "-S", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["train", "--help"],
        ["check", CONFIG],
        ["check", CONFIG, "--data"],
        ["init", "我的项目"],
        ["schema"],
        ["cache"],
        ["download"],
        ["convert", "编码器", "新", "--to", "hf"],
    ],
)
def test_what_needs_no_paddle(packages: Path, tmp_path: Path, words: list[str]) -> None:
    write_small_encoder(tmp_path / "编码器", ROOT / "data" / "vocab" / "vocab_en.txt")
    done = run(packages, "-m", "palm", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "Paddle: " not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["train", CONFIG],
        ["eval", CONFIG],
        ["compare", CONFIG],
        ["check", CONFIG, "--explain"],
    ],
)
def test_what_needs_paddle_says_so(packages: Path, tmp_path: Path, words: list[str]) -> None:
    done = run(packages, "-m", "palm", *words, cwd=tmp_path)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    rule = "PALM computes with Paddle, which is installed with one of two extras."
    assert last.startswith(f"Paddle: {rule} Found none in ")
    assert last.endswith('Install it: pip install "paddle-palm[cpu]", or "paddle-palm[gpu]" for an NVIDIA GPU.')
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("code", ["palm.Controller", "palm.Trainer", "palm.load", "palm.head.Classify(2, 8)"])
def test_a_script_ends_with_the_message(packages: Path, tmp_path: Path, code: str) -> None:
    (tmp_path / "run.py").write_text(f"import palm\n{code}\nimport paddle\n", encoding="utf-8")
    done = run(packages, "run.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Paddle: PALM computes with Paddle")
    assert len(done.stderr.splitlines()) == 1


def test_the_doctor_says_that_there_is_none(packages: Path, tmp_path: Path) -> None:
    done = run(packages, "-m", "palm", "doctor", cwd=tmp_path)
    assert done.returncode == 1
    assert "✗ Paddle       none in " in done.stdout
    assert '→ Install it: pip install "paddle-palm[cpu]"' in done.stdout
    assert done.stdout.splitlines()[-1] == "PALM cannot run here: see ✗ above."


def test_two_builds_are_refused(packages: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    for name, version in (("paddlepaddle", "3.3.1"), ("paddlepaddle_gpu", "2.6.2")):
        (both / f"{name}-{version}.dist-info").mkdir(parents=True)
        described = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        (both / f"{name}-{version}.dist-info" / "METADATA").write_text(described, encoding="utf-8")
    (both / "paddle.py").write_text("raise ImportError('of two builds')\n", encoding="utf-8")
    search = Path(os.pathsep.join([str(both), str(packages)]))
    for words, output in ((["doctor"], "stdout"), (["train", CONFIG], "stderr")):
        done = run(search, "-m", "palm", *words, cwd=tmp_path)
        assert done.returncode in (1, 2)
        said = getattr(done, output)
        assert "paddlepaddle 3.3.1, paddlepaddle-gpu 2.6.2" in said
        assert "Keep one: pip uninstall -y paddlepaddle paddlepaddle-gpu" in said
        assert "Traceback" not in done.stderr
