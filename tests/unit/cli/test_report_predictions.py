"""`palm report` predicts dev rows before it makes the page, once."""

import pytest
import yaml

from palm.cli.main import main
from tests.integration import tiny

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("sklearn.metrics")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("报告")
    tasks = {"水": tiny.classification_task(folder, "水", 16, chinese=True), "pairs": tiny.match_task(folder, "pairs")}
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(tiny.config(folder, tasks, num_epochs=1), sort_keys=False), encoding="utf-8")
    assert main(["train", str(file)]) == 0
    return folder / "out"


def page_of(run, *words):
    assert main(["report", str(run), *words]) == 0
    return (run / "report.html").read_text(encoding="utf-8")


def test_dev_rows_are_predicted_once_or_not_at_all(run, capsys):
    assert "Predictions of" not in page_of(run, "--no-predict")
    capsys.readouterr()
    page = page_of(run)
    assert "Predictions of 水" in page
    assert "The 7 worst rows" in page or "worst rows" in page
    shown = capsys.readouterr().err
    assert "predictions of pairs are not analysed: no dev_file" in shown
    kept = (run / "水" / "analysis.json").stat().st_mtime_ns
    assert "Predictions of 水" in page_of(run)
    assert (run / "水" / "analysis.json").stat().st_mtime_ns == kept
    assert "5 of 16 rows" in page_of(run, "--rows", "5")
    assert "Predictions of 水" in page_of(run, "--no-predict")


def test_a_run_that_cannot_be_predicted_has_a_page(run, capsys):
    file = run / "config.resolved.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("水.dev.tsv", "gone.tsv"), encoding="utf-8")
    try:
        page_of(run)
    finally:
        file.write_text(text, encoding="utf-8")
    assert "predictions are not analysed" in capsys.readouterr().err


@pytest.mark.parametrize("rows", ["0", "-1", "many"])
def test_rows_are_a_number(run, rows, capsys):
    assert main(["report", str(run), "--rows", rows]) == 2
    assert "a number of rows is expected" in capsys.readouterr().err
