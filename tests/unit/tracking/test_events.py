from pathlib import Path

import pytest

from palm.tracking.events import CosineEvent, EvaluationEvent, ExportEvent, StepEvent, event_of

STEP = {
    "split": "train", "global_step": 10, "task": "意图", "step": 4, "epoch": 1, "loss": 0.5, "loss_normalised": 0.9,
    "learning_rate": 1e-4, "steps_per_second": 2.5, "data_wait_fraction": 0.0,
}  # fmt: skip


def test_a_line_about_a_step():
    event = event_of(STEP)
    assert event == StepEvent(10, "意图", 4, 1, 0.5, 1e-4, 2.5, STEP)
    assert event.logged


def test_a_step_without_a_line():
    assert not StepEvent(11, "意图", 5, 1, 0.5, 1e-4).logged


def test_a_line_about_an_evaluation_has_its_metrics_alone():
    record = {"split": "dev", "global_step": 12, "task": "意图", "loss": 0.4, "accuracy": 0.75}
    event = event_of({**record, "seconds": 1.5})
    assert isinstance(event, EvaluationEvent)
    assert (event.global_step, event.task, dict(event.metrics), event.seconds) == (
        12, "意图", {"loss": 0.4, "accuracy": 0.75}, 1.5,
    )  # fmt: skip


@pytest.mark.parametrize(("split", "task"), [("export", "意图"), ("run_model", None)])
def test_a_line_about_a_model(split, task):
    event = event_of({"split": split, "global_step": 12, "task": task, "of_step": 6, "folder": Path("out")})
    assert isinstance(event, ExportEvent)
    assert (event.task, event.of_step, event.folder) == (task, 6, Path("out"))


def test_a_line_about_cosines():
    event = event_of({"split": "cosine", "global_step": 3, "task": None, "cosines": {"a~b": 0.5}})
    assert isinstance(event, CosineEvent)
    assert dict(event.cosines) == {"a~b": 0.5}


def test_a_line_of_another_kind_has_no_event():
    assert event_of({"split": "weather", "global_step": 1}) is None


def test_nothing_in_an_event_can_be_changed():
    event = event_of({**STEP, "sampling_probabilities": {"意图": 1.0}})
    with pytest.raises(AttributeError):
        event.loss = 0.0
    with pytest.raises(TypeError):
        event.record["loss"] = 0.0
    with pytest.raises(TypeError):
        event.record["sampling_probabilities"]["意图"] = 0.0
