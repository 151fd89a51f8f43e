"""What a run of a comparison depends on: another value, file or module of the user's own makes it another run."""

from pathlib import Path

import pytest

from palm.compare.outcome import Outcome, identity, keep, kept
from palm.compare.plan import Job


def job(folder: Path, **keys: object) -> Job:
    data = {"tasks": {"意图": {"train_file": str(folder / "数据.tsv"), "print_first_n": 1}}}
    return Job("hard", None, 1, ("意图",), {"save_path": str(folder / "out"), **data, **keys})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "数据.tsv").write_text("label\ttext_a\n", encoding="utf-8")
    (tmp_path / "own.py").write_text("LAYERS = 1\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["数据.tsv", "own.py"])
def test_another_content_of_a_file_is_another_run(files: Path, name: str) -> None:
    keys = {"imports": [str(files / "own.py"), "json"]}
    before = identity(job(files, **keys))
    assert identity(job(files, **keys)) == before
    with (files / name).open("a", encoding="utf-8") as file:
        file.write("# 2\n")
    assert identity(job(files, **keys)) != before


def test_what_is_said_and_where_is_no_other_run(files: Path) -> None:
    assert identity(job(files, print_every_n_steps=7)) == identity(job(files))
    assert identity(job(files, learning_rate=0.1)) != identity(job(files))


def test_an_outcome_under_earlier_names_is_still_read(files: Path) -> None:
    run = job(files)
    outcome = Outcome({"意图": {"loss": 0.5}}, {"意图": 7}, 7, 1.5, 100, 400, {})
    run.folder.mkdir()
    keep(run, outcome)
    file = run.folder / "outcome.json"
    text = file.read_text(encoding="utf-8")
    assert kept(run) == outcome
    assert '"metrics"' in text
    file.write_text(text.replace('"metrics"', '"figures"'), encoding="utf-8")
    assert kept(run) == outcome
