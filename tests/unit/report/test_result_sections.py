from palm.report.result_sections import result_sections, shown_number
from tests.unit.report.reported import a_run, dev, step, titles

EXPORT = {"split": "export", "global_step": 9, "task": "意图", "task_steps": 9, "of_step": 6, "train_seconds": 3.0}
RECORDS = [step(1, "意图"), dev(3, "意图", loss=0.5, accuracy=0.5), dev(6, "意图", loss=0.75, accuracy=0.75), EXPORT]


def test_a_run_shows_its_best_evaluations():
    (section,) = result_sections([a_run(records=[*RECORDS, step(10, "words")], notes=("a line is damaged",))])
    table, note = section.blocks
    assert table.rows == [
        ("意图", "accuracy", "0.7500", 6, "0.7500", 6, 9),
        ("意图", "loss", "0.5000", 3, "0.7500", 6, 9),
        ("words", None, None, None, None, None, 5),
    ]
    assert note.is_note


def test_several_runs_stand_side_by_side_with_the_best_marked():
    one = a_run("one", RECORDS)
    other = a_run("other", [dev(6, "意图", loss=0.25, accuracy=0.5), dev(6, "more", f1=1.0)], notes=("odd",))
    (section,) = result_sections([one, other])
    table = section.blocks[0]
    assert table.header == ("task", "metric", "one", "other")
    assert table.rows == [
        ("意图", "accuracy", "0.7500", "0.5000"), ("意图", "loss", "0.5000", "0.2500"), ("more", "f1", "–", "1.0000"),
    ]  # fmt: skip
    assert table.best == {(0, 2), (1, 3), (2, 3)}
    assert titles(section)[1:] == ["other: odd"]


def test_a_run_without_anything_has_no_blocks():
    assert next(iter(result_sections([a_run()]))).blocks == ()


def test_numbers():
    assert (shown_number(0.25), shown_number(None)) == ("0.2500", "–")
