"""`palm schema`: JSON schema on the terminal or in a file, or the table of all keys."""

import json
from pathlib import Path

import pytest

from palm.cli.main import main


def test_global_and_task_schema(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"learning_rate", "epoch", "tasks", "task_instance", "batch_size"} <= set(schema["properties"])
    file = tmp_path / "task.json"
    assert main(["schema", "--task", "-o", str(file)]) == 0
    assert capsys.readouterr().out == ""
    assert "learning_rate" not in json.loads(file.read_text(encoding="utf-8"))["properties"]


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--markdown"]) == 0
    assert "| `random_seed` |" in capsys.readouterr().out


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--help"]) == 0
    assert "palm schema -o palm.schema.json" in capsys.readouterr().out
