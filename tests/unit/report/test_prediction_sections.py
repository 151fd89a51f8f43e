import pytest

pytest.importorskip("altair")
pytest.importorskip("sklearn.metrics")

from palm.report import prediction_sections as sections_module
from palm.report.page import render_page
from palm.report.prediction_sections import blocks_of, charts_first, prediction_sections
from palm.report.section import Chart, Paragraph, Table
from tests.unit.report.analysed import an_analysis, classes, every_kind
from tests.unit.report.reported import a_run, step


@pytest.mark.parametrize("kind", every_kind())
def test_every_kind_of_answer_is_shown(kind):
    blocks = list(blocks_of(an_analysis(**every_kind()[kind])))
    first = blocks[0].text
    assert first.startswith("3 of 9 rows of dev.tsv, paradigm cls")
    assert ("1 of them wrong" in first) == (kind != "numbers")
    assert "/data/of/me" not in first
    assert blocks[-1].title == "The 1 worst rows"
    assert blocks[-1].rows[0][:4] == (3, "去<b>北京</b>", "水", "air")
    assert all(len(row) == len(block.header) for block in blocks if isinstance(block, Table) for row in block.rows)
    assert len(blocks) > 2


def test_calibration_names_both_temperatures_and_why_there_is_none():
    blocks = list(blocks_of(an_analysis(**every_kind()["classes"])))
    table = next(block for block in blocks if isinstance(block, Table) and block.title.startswith("Calibration"))
    assert [row[0] for row in table.rows] == ["temperature 1", "temperature 1.5"]
    assert any("flatters it" in block.text for block in blocks if isinstance(block, Paragraph))
    crf = [block.text for block in blocks_of(an_analysis(**every_kind()["spans"])) if isinstance(block, Paragraph)]
    assert crf[-1] == "No calibration: a CRF chooses labels as a whole, and gives none a probability."


def test_charts_stand_side_by_side():
    blocks = charts_first(list(blocks_of(an_analysis(**every_kind()["classes"]))))
    assert [isinstance(block, Chart) for block in blocks[:4]] == [False, True, True, False]


def test_tasks_without_an_analysis_are_named(monkeypatch):
    monkeypatch.setattr(sections_module, "read_analyses", lambda *_: {"a": an_analysis("a", classes=classes())})
    runs = [a_run(name, [step(1, "a"), step(2, "b")]) for name in ("one", "two")]
    found = list(prediction_sections(runs))
    assert [section.title for section in found[:2]] == ["Predictions of a (one)", "Predictions of a (two)"]
    assert "b (one), b (two): no dev rows" in found[-1].blocks[0].text
    assert [section.key for section in found] == ["predictions-1", "predictions-2", "predictions-missing"]
    assert list(prediction_sections([])) == []


def test_a_run_that_was_never_analysed_has_no_section():
    run = a_run("run", [step(1, "a")])
    assert list(prediction_sections([run])) == []


def test_markup_in_texts_stays_text(monkeypatch):
    pytest.importorskip("vl_convert", reason='needs the extra report: pip install "paddle-palm[report]"')
    monkeypatch.setattr(sections_module, "read_analyses", lambda *_: {"a": an_analysis("a", classes=classes())})
    run = a_run("run", [step(1, "a")])
    page = render_page([run], list(prediction_sections([run])), made="now")
    assert "去&lt;b&gt;北京&lt;/b&gt;" in page
    assert "去<b>" not in page
