import pytest

from palm.engine.selection import Selection
from tests.live_runs import new_run, step_result, trained_run


def test_steps_count_for_the_task_that_they_train():
    run = new_run(["意图", "slots"])
    run.note_step(step_result(1, "意图", 2.0))
    run.note_step(step_result(2, "意图", float("nan")))
    assert (run.done, run.current, run.tasks["意图"].steps, run.tasks["slots"].steps) == (2, "意图", 2, 0)
    assert run.tasks["意图"].loss.smoothed == pytest.approx(2.0), "a loss that is not finite is left out"


def test_the_best_evaluation_is_that_of_the_main_metric_or_the_selected_one():
    first = {"split": "dev", "global_step": 10, "task": "slots", "loss": 0.5, "span_f1": 0.9, "precision": 0.1}
    second = {**first, "global_step": 20, "span_f1": 0.8, "precision": 0.2}
    for selection, best in ((None, ("span_f1", 0.9, 10)), (Selection("precision"), ("precision", 0.2, 20))):
        run = new_run(["slots"], selection=selection)
        run.note_record(first)
        run.note_record(second)
        task = run.tasks["slots"]
        assert (task.best.name, task.best.value, task.best_step) == best
        assert task.last.value == second[best[0]]


def test_a_loss_is_better_where_it_is_lower():
    run = new_run(["words"])
    for step, loss in ((1, 2.0), (2, 1.0), (3, 3.0)):
        run.note_record({"split": "dev", "global_step": step, "task": "words", "loss": loss})
    assert (run.tasks["words"].best.value, run.tasks["words"].best_step) == (1.0, 2)


def export(step: int, of_step: int) -> dict[str, object]:
    return {"split": "export", "global_step": step, "task": "intent", "task_steps": 9, "of_step": of_step}


def test_an_export_says_whether_the_task_is_still_trained():
    run = new_run(["intent", "slots"])
    run.note_step(step_result(269, "intent", 1.0))
    run.note_record(export(269, 269))
    run.note_step(step_result(300, "slots", 1.0, last=True))
    run.note_record(export(300, 280))
    assert run.events == [
        "intent exported at step 269; still trained for the others",
        "intent exported from step 280",
    ]
    assert run.tasks["intent"].exported_step == 280


@pytest.mark.parametrize(("retires", "last"), [(True, False), (False, True)])
def test_an_export_after_which_a_task_is_not_trained_says_finished(retires, last):
    run = new_run(["intent"], retires=retires)
    run.note_step(step_result(269, "intent", 1.0, last=last))
    run.note_record(export(269, 200))
    assert run.events == ["intent exported from step 200; finished"]


def test_the_speed_is_known_after_a_few_steps_without_the_slow_first_one():
    run = new_run(["intent"], total=100)
    run._clock.seconds = 60.0
    run.note_step(step_result(1, "intent", 1.0))
    assert run.seconds_left is None
    for step in range(2, 12):
        run._clock.seconds += 0.5
        run.note_step(step_result(step, "intent", 1.0))
    assert run.steps_per_second == pytest.approx(2.0)
    assert run.seconds_left == pytest.approx(89 / 2)
    assert run.expected_seconds == pytest.approx(65 + 89 / 2)


def test_a_run_that_continues_has_the_curve_and_the_best_of_before():
    run = new_run(["intent"], done=20)
    run.replay([
        {"split": "train", "global_step": 10, "task": "intent", "loss": 2.0, "learning_rate": 0.1},
        {"split": "train", "global_step": 15, "task": "intent", "loss": None, "learning_rate": 0.1},
        {"split": "dev", "global_step": 20, "task": "intent", "accuracy": 0.5},
        export(20, 20),
        {"split": "cosine", "global_step": 20, "task": None, "cosines": {}},
        {"strange": "line"},
    ])  # fmt: skip
    task = run.tasks["intent"]
    assert (task.loss.smoothed, task.best.value, task.exported_step, task.steps) == (2.0, 0.5, 20, 0)
    assert run.events == []


def test_the_model_of_all_tasks_has_its_step():
    run = trained_run(["intent"])
    run.note_record({"split": "run_model", "global_step": 400, "task": None, "of_step": 300, "tasks": ["intent"]})
    assert run.run_model_step == 300


def test_work_between_steps_is_noted_until_it_is_finished():
    run = new_run(["intent"])
    run.note_activity("evaluating intent", 3, 9)
    assert (run.activity.what, run.activity.done, run.activity.total) == ("evaluating intent", 3, 9)
    run.note_activity("evaluating intent", -1, 9)
    assert run.activity is None
