"""Uncertainty weighting against numbers worked by hand, and against autograd and Adam of torch."""

import pytest

from palm.balancing.history import TaskHistory
from palm.balancing.weighting import TaskLosses, Uncertainty


def uncertainty(learning_rate=0.025, squared=()):
    return Uncertainty(Uncertainty.Config(weighting_learning_rate=learning_rate), TaskLosses(frozenset(squared)))


def test_the_first_factors_are_one_and_for_a_squared_error_a_half():
    weighting = uncertainty(squared=["分数"])
    assert weighting.factors({"labels": TaskHistory(), "分数": TaskHistory()}) == {"labels": 1.0, "分数": 0.5}


def test_the_first_step_of_adam_moves_by_its_rate():
    """Loss 2: the gradient 1/2 - 2 is below 0, so s rises by the rate. Loss 0.2: 1/2 - 0.2 is above, so it falls."""
    history = {"noisy": TaskHistory(), "clear": TaskHistory(), "idle": TaskHistory()}
    weighting = uncertainty(learning_rate=0.1)
    weighting.learn(history, {"noisy": 2.0, "clear": 0.2}, {})
    found = weighting.factors(history)
    # exp(-0.1), exp(0.1), exp(0)
    assert found == pytest.approx({"noisy": 0.904837, "clear": 1.105171, "idle": 1.0}, abs=1e-5)


def test_a_rate_far_too_high_ends_in_a_number():
    """The first step takes s to -1000, and exp(1000) is no float; exp(80) is 5.540622384e34."""
    history = {"a": TaskHistory(), "b": TaskHistory()}
    weighting = uncertainty(learning_rate=1000.0, squared=["b"])
    for _ in range(2):
        weighting.learn(history, {"a": 0.1, "b": 0.1}, {})
    assert weighting.factors(history) == pytest.approx({"a": 5.540622384e34, "b": 2.770311192e34}, rel=1e-6)


@pytest.mark.parametrize("loss", [0.25, 3.0])
def test_the_factor_tends_to_one_over_twice_the_loss(loss):
    history = {"labels": TaskHistory(), "numbers": TaskHistory()}
    weighting = uncertainty(learning_rate=0.02, squared=["numbers"])
    for _ in range(1500):
        weighting.learn(history, {"labels": loss, "numbers": loss}, {})
    assert weighting.factors(history) == pytest.approx({"labels": 1 / (2 * loss), "numbers": 1 / (2 * loss)}, rel=1e-3)


@pytest.mark.parametrize("squared", [False, True])
def test_it_learns_what_torch_learns_from_the_formula_of_the_paper(squared):
    torch = pytest.importorskip("torch")
    variance = torch.zeros((), dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([variance], lr=0.025)
    history = {"任务": TaskHistory()}
    weighting = uncertainty(squared=["任务"] if squared else [])
    for step in range(50):
        loss = 2.0 / (1 + step / 5) + 0.3 * (step % 3)
        sigma2 = variance.exp()
        total = loss / (2 * sigma2) + sigma2.sqrt().log() if squared else loss / sigma2 + sigma2.sqrt().log()
        adam.zero_grad()
        total.backward()
        adam.step()
        weighting.learn(history, {"任务": loss}, {})
    wanted = float((-variance.detach()).exp()) * (0.5 if squared else 1.0)
    assert weighting.factors(history)["任务"] == pytest.approx(wanted, rel=1e-9)
