from palm.tracking.events import event_of
from palm.tracking.scalars import scalars_of
from tests.unit.tracking.test_events import STEP


def test_the_numbers_of_a_step():
    assert scalars_of(event_of(STEP)) == {
        "train/意图/loss": 0.5,
        "train/意图/loss_normalised": 0.9,
        "train/意图/epoch": 1.0,
        "train/learning_rate": 1e-4,
        "train/steps_per_second": 2.5,
        "train/data_wait_fraction": 0.0,
    }


def test_what_a_sampler_and_a_weighting_add():
    record = {**STEP, "loss_factor": 2.0, "sampling_probabilities": {"意图": 0.25, "槽": 0.75}}
    found = scalars_of(event_of(record))
    assert found["train/意图/loss_factor"] == 2.0
    assert found["train/槽/sampling_probability"] == 0.75


def test_a_loss_that_is_not_finite_is_left_out():
    assert "train/意图/loss" not in scalars_of(event_of({**STEP, "loss": None}))
    record = {"split": "dev", "global_step": 1, "task": "a", "loss": float("nan"), "accuracy": 1}
    assert scalars_of(event_of(record)) == {"eval/a/accuracy": 1.0}


def test_cosines_of_pairs():
    record = {"split": "cosine", "global_step": 3, "task": None, "cosines": {"a~b": -0.5}}
    assert scalars_of(event_of(record)) == {"gradient_cosine/a/b": -0.5}


def test_an_export_has_no_numbers():
    assert scalars_of(event_of({"split": "export", "global_step": 1, "task": "a", "of_step": 1})) == {}
