import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.report.curves import BestEvaluation, FollowedRun, RunCurves, WrittenModel, number_of


def step(number, task="intent", loss=1.0, **more):
    record = {"split": "train", "global_step": number, "task": task, "step": number, "epoch": 0, "loss": loss}
    return {**record, "loss_normalised": loss, "learning_rate": 1e-4, "steps_per_second": 2.5, **more}


def dev(number, task="intent", **metrics):
    return {"split": "dev", "global_step": number, "task": task, **metrics}


def curves_of(*records):
    curves = RunCurves()
    for record in records:
        curves.add(record)
    return curves


def test_steps_of_each_task_and_of_the_run():
    curves = curves_of(step(1, loss=2.0), step(2, "意图", loss=3.0), step(3, loss=1.0, data_wait_fraction=0.01))
    assert list(curves.tasks) == ["intent", "意图"]
    assert curves.tasks["intent"].loss.points == [(1, 2.0), (3, 1.0)]
    assert curves.tasks["意图"].loss.points == [(2, 3.0)]
    assert curves.learning_rate.points == [(1, 1e-4), (2, 1e-4), (3, 1e-4)]
    assert curves.speed.last == (3, 2.5)
    assert curves.data_wait.points == [(3, 0.01)]
    assert curves.last_step == 3


def test_the_parts_of_a_joint_step_have_one_rate():
    curves = curves_of(step(1, "a"), step(1, "b"), step(2, "a"), step(2, "b"))
    assert curves.learning_rate.steps.tolist() == [1, 2]
    assert curves.tasks["b"].loss.steps.tolist() == [1, 2]
    assert curves.repeated == []


def test_a_loss_that_is_not_finite_is_noted():
    curves = curves_of(step(1), step(2, loss=None), step(3, loss=float("nan")))
    assert curves.tasks["intent"].loss.steps.tolist() == [1]
    assert curves.tasks["intent"].not_finite == [2, 3]


def test_the_best_evaluation():
    curves = curves_of(
        dev(5, loss=0.9, accuracy=0.5, macro_f1=0.9),
        dev(9, loss=0.8, accuracy=0.7, macro_f1=0.6),
        dev(9, "b", loss=2.0),
    )
    task = curves.tasks["intent"]
    assert task.main_metric == "accuracy"
    assert task.best() == BestEvaluation("accuracy", 9, 0.7)
    assert task.best("macro_f1") == BestEvaluation("macro_f1", 5, 0.9)
    assert task.best("loss") == BestEvaluation("loss", 9, 0.8)
    assert curves.tasks["b"].best() == BestEvaluation("loss", 9, 2.0)
    assert task.best("unknown") is None
    assert curves_of(step(1)).tasks["intent"].best() is None


def test_exports_probabilities_and_cosines():
    curves = curves_of(
        step(1, sampling_probabilities={"a": 0.25, "b": 0.75}),
        {"split": "cosine", "global_step": 2, "task": None, "cosines": {"a~b": -0.5}},
        {"split": "export", "global_step": 3, "task": "a", "task_steps": 2, "of_step": 1, "train_seconds": 0.5},
        {"split": "run_model", "global_step": 3, "task": None, "of_step": 3, "tasks": ["a", "b"]},
    )
    assert curves.probabilities["b"].points == [(1, 0.75)]
    assert curves.cosines["a", "b"].points == [(2, -0.5)]
    assert curves.exports["a"] == WrittenModel("a", 3, 1, 2, 0.5)
    assert curves.exports[None] == WrittenModel(None, 3, 3)
    assert curves.has_run_model


def test_steps_that_come_again_replace_the_earlier_ones():
    export = {"split": "export", "global_step": 3, "task": "intent", "task_steps": 3, "of_step": 3}
    curves = curves_of(step(1), step(2, loss=None), step(3), dev(3, accuracy=0.9), export, step(2, loss=7.0))
    assert curves.repeated == [(2, 3)]
    assert curves.tasks["intent"].loss.points == [(1, 1.0), (2, 7.0)]
    assert curves.tasks["intent"].dev["accuracy"].points == []
    assert curves.tasks["intent"].not_finite == []
    assert curves.exports == {}
    assert curves.last_step == 2


@pytest.mark.parametrize(
    "record",
    [
        {}, {"split": "train"}, {"split": "train", "global_step": "3"}, {"split": "train", "global_step": True},
        {"split": "later", "global_step": 3}, {"split": ["train"], "global_step": 3},
        {"split": "dev", "global_step": -1, "task": "a"},
    ],
)  # fmt: skip
def test_a_line_of_no_known_kind_is_counted(record):
    curves = curves_of(record)
    assert curves.other_lines == 1
    assert curves.tasks == {}


def test_values_of_wrong_types_are_left_out():
    curves = curves_of(step(1, loss="high", learning_rate=[1], steps_per_second=True, sampling_probabilities=3))
    assert (len(curves.learning_rate), len(curves.speed), curves.probabilities) == (0, 0, {})
    assert curves_of(dev(1, accuracy="0.5", note=None)).tasks["intent"].best() is None


def test_numbers():
    assert (number_of(3), number_of(0.5)) == (3.0, 0.5)
    assert [number_of(value) for value in (True, None, "1", float("inf"), float("nan"))] == [None] * 5


def test_a_run_is_followed_and_read_anew_after_a_resume(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps(step(number)) + "\n" for number in (1, 2, 3)), encoding="utf-8")
    run = FollowedRun(tmp_path)
    assert (run.update(), run.update(), run.curves.last_step) == (3, 0, 3)
    aside = tmp_path / "aside"
    aside.write_text(json.dumps(step(1)) + "\n" + json.dumps(step(2, loss=9.0)) + "\n", encoding="utf-8")
    aside.replace(file)
    assert run.update() == 2
    assert run.curves.tasks["intent"].loss.points == [(1, 1.0), (2, 9.0)]


def test_a_large_file_is_never_held_whole(tmp_path):
    file = tmp_path / "metrics.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for number in range(20_000):
            out.write(json.dumps(step(number)) + "\n")
    tracemalloc.start()
    run = FollowedRun(tmp_path)
    run.update()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(run.curves.tasks["intent"].loss) == 20_000
    # Six series of two numbers, and room to grow, and a part of the file.
    assert peak < 20_000 * 6 * 16 * 1.3 + 4 * (1 << 20)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "train", "train", "dev", "odd"]),
            st.integers(0, 12),
            st.sampled_from(["a", "b"]),
            st.sampled_from([0.5, 2, None, True, "x", float("nan")]),
        ),
        max_size=30,
    )
)
def test_lines_that_go_together_are_as_one_by_one(drawn):
    records = [
        {"split": split, "global_step": step, "task": task, "loss": value, "step": step, "steps_per_second": value}
        for split, step, task, value in drawn
    ]
    one_by_one, together = RunCurves(), RunCurves()
    for record in records:
        one_by_one.add(record)
    together.add_all(records)
    assert together == one_by_one


def test_a_large_file_is_read_in_parts(tmp_path):
    with (tmp_path / "metrics.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(step(number)) + "\n" for number in range(1, 5001))
    run, read = FollowedRun(tmp_path), []
    while run.update(seconds=0.0):
        read.append(run.file.fraction_read)
    assert len(read) > 2
    assert read == sorted(read)
    assert run.curves.tasks["intent"].loss.steps.tolist() == list(range(1, 5001))
