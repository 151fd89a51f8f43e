import pytest

from palm.engine.run import StepResult
from palm.training.notices import DataWait, copies_line


def step(*, seconds, waited):
    return StepResult(
        global_step=1, task="意图", step=1, steps_per_epoch=1, epoch=0, loss=1.0, learning_rate=0.1,
        seconds=seconds, data_wait=waited, fault=None, finished=(), last=False,
    )  # fmt: skip


def test_shares_are_of_time_and_not_means_of_shares():
    waits = DataWait()
    waits.add(step(seconds=1.0, waited=0.5))
    waits.add(step(seconds=9.0, waited=0.0))
    assert waits.fraction == pytest.approx(0.05)
    assert waits.fraction_since_last() == pytest.approx(0.05)
    waits.add(step(seconds=10.0, waited=2.0))
    assert waits.fraction_since_last() == pytest.approx(0.2)
    assert waits.fraction_since_last() == 0.0
    assert waits.fraction == pytest.approx(2.5 / 20)


@pytest.mark.parametrize(
    ("seconds", "waited", "wanted"), [(100.0, 5.1, True), (100.0, 4.9, False), (1.0, 0.9, False), (0.0, 0.0, False)]
)
def test_people_hear_of_a_wait_that_is_large_and_long(seconds, waited, wanted):
    waits = DataWait()
    waits.add(step(seconds=seconds, waited=waited))
    assert waits.is_too_much is wanted


def test_the_cost_is_named():
    [line] = copies_line({"水": 42_500_000, "slots": 7_100_000, "pairs": 0})
    assert line == (
        "Task-specific encoder layers: 49.6 M parameters (水 42.5 M, slots 7.1 M), "
        "794 MB more memory in training (weights, gradients, two moments)."
    )


def test_nothing_to_say_without_copies():
    assert copies_line({"a": 0}) == []
