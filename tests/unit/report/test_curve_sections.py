import pytest

pytest.importorskip("altair")

from palm.report.curve_sections import HOW_TO, curve_sections
from tests.unit.report.reported import a_run, dev, step, titles

RECORDS = [
    *(step(number, "意图", loss=1 / number) for number in range(1, 9)),
    dev(4, "意图", loss=0.5, accuracy=0.5, macro_f1=0.25), dev(8, "意图", loss=0.4, accuracy=0.875, macro_f1=0.5),
    step(9, "words"),
]  # fmt: skip


def marks_of(chart):
    return [row for rows in chart.spec["datasets"].values() for row in rows if "t" in row]


def names_of(chart):
    return {row["n"] for rows in chart.spec["datasets"].values() for row in rows}


def test_the_curves_of_a_run():
    curves, speed = curve_sections([a_run(records=RECORDS)])
    assert titles(curves) == ["意图: loss", "意图: metrics on dev rows", "words: loss", HOW_TO]
    assert titles(speed) == ["learning rate", "steps per second"]
    assert names_of(curves.blocks[0]) == {"training loss", "dev loss"}
    assert marks_of(curves.blocks[1]) == [{"n": "accuracy", "s": 8, "v": 0.875, "t": "0.8750"}]
    assert "best at step 8 with 0.8750" in curves.blocks[1].description


def test_the_curves_of_several_runs_lie_over_each_other():
    curves, speed = curve_sections([a_run("one", RECORDS), a_run("two", RECORDS[:-1]), a_run("没有")])
    assert titles(curves) == ["意图: loss", "意图: accuracy", "words: loss", HOW_TO]
    assert names_of(curves.blocks[0]) == {"one", "two"}
    assert [mark["n"] for mark in marks_of(curves.blocks[1])] == ["one", "two"]
    assert names_of(speed.blocks[0]) == {"one", "two"}


def test_a_task_with_a_loss_alone_on_dev_rows_has_one_chart():
    curves, _ = curve_sections([a_run(records=[step(1, "a"), dev(1, "a", loss=1.0)])])
    assert titles(curves) == ["a: loss", HOW_TO]


def test_waiting_for_data_is_shown_where_there_was_any():
    _, speed = curve_sections([a_run(records=[step(1, "a", data_wait_fraction=0.25)])])
    assert titles(speed)[-1] == "waiting for data"


def test_a_run_without_steps_has_no_curves():
    assert [len(section.blocks) for section in curve_sections([a_run()])] == [0, 0]
