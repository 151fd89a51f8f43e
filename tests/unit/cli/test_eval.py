"""`palm eval` on a tiny run: a JSON line for each task, of a file of the user's or of the dev_file."""

import json

import pytest
import yaml

from palm.cli.main import main
from tests.integration import tiny


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eval")
    tasks = {"water": tiny.classification_task(folder, "water", count=16), "pairs": tiny.match_task(folder, "pairs")}
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(tiny.config(folder, tasks, num_epochs=1), sort_keys=False), encoding="utf-8")
    assert main(["train", str(file)]) == 0
    return file


def test_tasks_with_a_dev_file_are_evaluated(config, capsys):
    capsys.readouterr()
    assert main(["eval", str(config)]) == 0
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert line.keys() == {"task", "loss", "accuracy", "macro_f1"}
    assert line["task"] == "water"
    assert 0 <= line["accuracy"] <= 1


def test_a_file_of_the_users_is_evaluated(config, capsys):
    pairs = str(config.parent / "pairs.tsv")
    capsys.readouterr()
    assert main(["eval", str(config), "pairs", "--file", pairs]) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "pairs"


def test_a_run_without_dev_files_needs_a_file(config, capsys):
    assert main(["eval", str(config), "--task_instance=pairs"]) == 2
    assert "no task has a dev_file. Set one, or name a task and --file." in capsys.readouterr().err
