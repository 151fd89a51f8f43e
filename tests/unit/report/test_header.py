from palm.report.header import Fact, TaskCard, cards_of, facts_of, shown_count, shown_seconds, shown_time
from tests.unit.report.reported import a_run, data, description, dev, step

EXPORT = {"split": "export", "global_step": 9, "task": "a", "task_steps": 9, "of_step": 6, "train_seconds": 75.0}


def test_the_facts_of_a_run():
    run = a_run(records=[step(1, "a"), EXPORT], described=description(a=data()), values={"encoder": ("minilm",)})
    assert list(facts_of(run)) == [
        Fact("steps", "9 of 40"), Fact("training time", "1 min 15 s"), Fact("encoder", "minilm (bert)"),
        Fact("parameters", "22.7 M"), Fact("device", "cpu, float32, 2 threads"),
        Fact("started", "2026-01-02 03:04 UTC"), Fact("PALM", "1.0"),
    ]  # fmt: skip


def test_what_is_not_known_is_left_out():
    assert list(facts_of(a_run())) == [Fact("steps", "0")]
    resumed = a_run(log=["Resumed from x at global step 2."])
    assert list(facts_of(resumed))[-1] == Fact("sessions", "2, see the events")


def test_the_cards_of_tasks():
    run = a_run(
        records=[step(4, "a"), dev(4, "a", accuracy=0.875), step(5, "aux")], described=description(a=data(), aux=data())
    )
    assert list(cards_of(run)) == [
        TaskCard("a", "cls", "0.8750", "best accuracy, at step 4", "4 of 20 steps"),
        TaskCard("aux", "cls, auxiliary", "", "no evaluation on dev rows", "5 of 20 steps"),
    ]
    more = a_run(records=[{**step(4, "a"), "epoch": 4}], described=description(a=data()))
    assert next(iter(cards_of(more))).steps == "24 steps, 20 expected"
    configured = a_run(values={"tasks.意图.reader": ("match",), "tasks.意图.paradigm": ("cls",)})
    assert next(iter(cards_of(configured))).kind == "match, cls"


def test_numbers_and_times():
    assert [shown_seconds(value) for value in (4.4, 75, 179.6, 7500)] == [
        "4 s", "1 min 15 s", "3 min 0 s", "2 h 5 min",
    ]  # fmt: skip
    assert [shown_count(count) for count in (23_156, 22_713_216)] == ["23,156", "22.7 M"]
    assert shown_time("yesterday") == "yesterday"
