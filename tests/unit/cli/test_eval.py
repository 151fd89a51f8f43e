"""`palm eval` on a tiny run: a JSON line for each task, of a file of the user's or of the dev_file."""

import csv
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


def read_csv(file):
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_errors_are_written_with_the_metrics_of_the_same_pass(config, capsys):
    file = config.parent / "错误.csv"
    capsys.readouterr()
    assert main(["eval", str(config), "water", "--errors", str(file)]) == 0
    shown = capsys.readouterr()
    metrics = json.loads(shown.out)
    rows = read_csv(file)
    assert len(rows) == round((1 - metrics["accuracy"]) * 16) > 0
    assert f"water: {len(rows)} of 16 rows are wrong\nerrors: {file.as_posix()} ({len(rows)} row" in shown.err
    for row in rows:
        assert (row["gold"], row["predicted"]) in {("water", "air"), ("air", "water")}
        assert row["label"] == row["gold"]
        assert "the house" in row["text_a"]
    assert main(["eval", str(config), "water"]) == 0
    assert json.loads(capsys.readouterr().out) == metrics


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--errors", "errors.xlsx"], "--errors: errors are written as a csv file. Found `errors.xlsx`."),
        (["--errors", "e.csv", "--precision", "int8"], "two precisions are compared"),
    ],
)
def test_files_of_errors_that_cannot_be(config, capsys, words, message):
    assert main(["eval", str(config), "water", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_data_are_not_overwritten(config, capsys):
    data = config.parent / "data.csv"
    data.write_text("label,text_a\nair,the bird\n", encoding="utf-8")
    assert main(["eval", str(config), "water", "--file", str(data), "--errors", str(data)]) == 2
    assert "another file than the data" in capsys.readouterr().err
    assert data.read_text(encoding="utf-8").startswith("label,text_a")
