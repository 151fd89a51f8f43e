"""The analyses of a run, kept beside it for its model and its dev rows."""

import pytest

import palm
from palm.analysis import of_run
from palm.analysis.kept import kept_file, read_analyses
from palm.analysis.of_run import analyse_run
from tests.integration import tiny

pytest.importorskip("sklearn.metrics")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    tasks = {
        "water": tiny.classification_task(folder, "water", 16),
        "水": {**tiny.classification_task(folder, "水", 40, chinese=True), "dev_file": "25%"},
        "words": {**tiny.mlm_task(folder, "words"), "target": False},
        "gone": tiny.slot_task(folder, "gone"),
    }
    palm.Controller(tiny.config(folder, tasks, num_epochs=1), overrides=[]).train()
    (folder / "gone.tsv").write_text("no header\n", encoding="utf-8")
    return folder / "out"


@pytest.fixture
def passes(monkeypatch):
    """The tasks whose rows are predicted."""
    seen = []
    analyse = of_run.analyse_task

    def counted(predictor, *others, **more):
        seen.append(predictor.task)
        return analyse(predictor, *others, **more)

    monkeypatch.setattr(of_run, "analyse_task", counted)
    return seen


def test_a_run_is_analysed_once(run, passes):
    calls = []
    found = analyse_run(run, progress=lambda *call: calls.append(call))
    assert list(found.tasks) == ["water", "水"]
    assert (found.tasks["water"].rows, found.tasks["水"].rows) == (16, 11)
    assert found.left_out["words"] == "no dev_file"
    assert "gone.tsv" in found.left_out["gone"]
    assert calls[-1] == ("水", 11, 11)
    assert analyse_run(run) == found
    assert passes == ["water", "水"]
    assert read_analyses(run, ["water", "水", "words", "gone"]) == found.tasks


def test_fewer_rows_are_the_same_ones_each_time(run, passes):
    first, second = (analyse_run(run, ["water"], most_rows=most).tasks["water"] for most in (5, 5))
    assert (first.rows, first.of_rows) == (5, 16)
    assert first == second
    assert passes == ["water"]
    lines = [row.line for row in first.errors]
    assert len(set(lines)) == len(lines)


def test_other_rows_are_analysed_again(run, passes):
    analyse_run(run, ["water"])
    file = run.parent / "water.dev.tsv"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + "air\tthe bird flies\n", encoding="utf-8")
    try:
        assert analyse_run(run, ["water"]).tasks["water"].rows == 17
        assert passes[-1] == "water"
    finally:
        file.write_text(text, encoding="utf-8")


def test_analyses_of_another_model_are_not_shown(run):
    analyse_run(run, ["水"])
    file = kept_file(run, "水")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"model":', '"model": "another", "_":', 1), encoding="utf-8")
    assert read_analyses(run, ["水"]) == {}
    file.write_text(text, encoding="utf-8")
    assert list(read_analyses(run, ["水"])) == ["水"]
