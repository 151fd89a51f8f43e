import pytest

pytest.importorskip("altair")

from palm.report.data_sections import data_sections
from tests.unit.report.reported import a_run, data, description, titles


def test_rows_lengths_and_labels():
    (section,) = data_sections([a_run(described=description(意图=data(), aux=data(labels={})))])
    table = section.blocks[0]
    assert table.rows[0] == ("意图", "training", 100, 100, 3, "9", "14", 16, 2)
    assert table.rows[1][-1] is None
    assert titles(section)[1:] == ["意图: lengths", "aux: lengths", "意图: labels"]


def test_many_labels_and_a_part_of_many_rows_are_said_to_be_so():
    many = data(rows=1_000_000, counted=20_000, labels={f"label {number}": 1 for number in range(30)})
    (section,) = data_sections([a_run(described=description(a=many))])
    assert "a: labels, the 20 most frequent of 30" in titles(section)
    assert section.blocks[-1].is_note
    assert "20,000 of 1,000,000 training rows" in section.blocks[-1].text


def test_runs_with_the_same_data_are_shown_once():
    same = [a_run(name, described=description(a=data())) for name in ("one", "two")]
    (section,) = data_sections([*same, a_run("no description")])
    assert titles(section)[1] == "a: lengths"
    (section,) = data_sections([*same, a_run("three", described=description(a=data(rows=7)))])
    assert {"a: lengths (one, two)", "a: lengths (three)"} <= set(titles(section))


def test_a_run_that_does_not_know_its_data():
    assert next(iter(data_sections([a_run()]))).blocks == []
