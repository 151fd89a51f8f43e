"""`palm check`: sound runs in a few lines, unsound ones refused; fast, and without Paddle."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from palm.cli.check import aligned
from palm.cli.main import main

SIZES = {"vocab_size": 50, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIG = """task_instance: 意图, b
target_tag: 1, 0
backbone_config_path: bert.json
vocab_path: vocab.txt
batch_size: 8
"""
TASK = "reader: cls\nparadigm: cls\ntrain_file: train.tsv\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tasks").mkdir()
    files = {"config.yaml": CONFIG, "tasks/意图.yaml": TASK, "tasks/b.yaml": TASK + "batch_size: 4\n", "train.tsv": ""}
    vocabulary = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]) + "\n"
    for name, text in {**files, "bert.json": json.dumps(SIZES), "vocab.txt": vocabulary}.items():
        Path(name).write_text(text, encoding="utf-8")


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "config.yaml", "--task_dir", "tasks", "--tasks.b.batch_size", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "The configuration is valid: 2 task(s) on bert, 2 layers × 12."
    assert lines[2].split() == ["意图", "main", "cls", "cls", "1", "8", "意图", "train.tsv"]
    assert lines[3].split() == ["b", "auxiliary", "cls", "cls", "1", "2", "b", "train.tsv"]


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "config.yaml", "--task_dir", "tasks", "--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("tasks.b.batch_size"))
    assert row.split(maxsplit=3) == ["tasks.b.batch_size", "8", "config.yaml:5", "`4` (tasks/b.yaml:4)"]


def test_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "config.yaml", "--task_dir", "tasks", "--lerning_rate", "1", "--batch_size", "0"]) == 2
    error = capsys.readouterr().err
    assert "--lerning_rate: nothing in this run reads `lerning_rate`." in error
    assert "--batch_size: batch_size is a whole number, at least 1. Found `0`." in error
    assert "Traceback" not in error


def test_a_key_without_effect_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text(CONFIG + "sampling_cap: 3\n", encoding="utf-8")
    assert main(["check", "config.yaml", "--task_dir", "tasks"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Warning: config.yaml:6: `sampling_cap` only has an effect with `sampling: annealed`")


def test_what_does_not_fit_is_placed_in_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text(CONFIG + "freeze_layers: 9\n", encoding="utf-8")
    Path("tasks/b.yaml").write_text(TASK + "layer: 7\n", encoding="utf-8")
    assert main(["check", "config.yaml", "--task_dir", "tasks"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "config.yaml:6 (freeze_layers): the encoder has 2 layers to freeze. Found 9. Lower it." in lines
    assert any(line.startswith("tasks/b.yaml:4 (tasks.b.layer): layer is an index into 2") for line in lines)


def test_rows_that_cannot_be_shared_are_found_before_training(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text(CONFIG + "mode: joint\n", encoding="utf-8")
    words = "reader: mlm\nparadigm: mlm\ntrain_file: train.tsv\nshare_rows_with: 意图\n"
    Path("tasks/b.yaml").write_text(words, encoding="utf-8")
    assert main(["check", "config.yaml", "--task_dir", "tasks"]) == 2
    assert "tasks.b: tasks can only share rows of one unchanged text each." in capsys.readouterr().err


@pytest.mark.parametrize("stages", ["{}", "a", "{x: [1]}"])
def test_stages_that_are_none_are_one_mistake(capsys: pytest.CaptureFixture[str], stages: str) -> None:
    task = "{reader: cls, paradigm: cls, train_file: train.tsv}"
    Path("config.yaml").write_text(f"tasks:\n  a: {task}\nstages: {stages}\n", encoding="utf-8")
    assert main(["check", "config.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("config.yaml:3: ")


def test_predict_needs_no_training_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("train.tsv").unlink()
    assert main(["check", "config.yaml", "--task_dir", "tasks"]) == 2
    assert "train_file names an existing file" in capsys.readouterr().err
    assert main(["check", "config.yaml", "--task_dir", "tasks", "--predict"]) == 0


def test_paddle_is_not_imported() -> None:
    code = (
        "import sys; from palm.cli.main import main; "
        "status = main(['check', 'config.yaml', '--task_dir', 'tasks']); "
        "sys.exit(status or ('paddle' in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_columns_are_aligned_for_wide_characters() -> None:
    assert aligned([("键", "b"), ("abcd", "x" * 70)]) == "键    b\nabcd  …" + "x" * 59 + "\n"
