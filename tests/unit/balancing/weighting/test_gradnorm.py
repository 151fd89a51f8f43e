"""GradNorm against numbers worked by hand, and against autograd and Adam of torch."""

import pytest

from palm.balancing.history import TaskHistory
from palm.balancing.weighting import GradNorm, TaskLosses


def gradnorm(**keys):
    return GradNorm(GradNorm.Config(**keys), TaskLosses())


def noted(weighting, history, losses, norms):
    for name, loss in losses.items():
        history[name].note_loss(loss)
    weighting.learn(history, losses, norms)
    return weighting.factors(history)


def test_the_task_that_pulls_harder_than_the_mean_gets_less():
    """Norms 4 and 1, mean 2.5, equal progress: Adam's first step moves both by its rate, towards each other."""
    history = {"任务": TaskHistory(), "b": TaskHistory(), "idle": TaskHistory()}
    found = noted(gradnorm(), history, {"任务": 3.0, "b": 0.5}, {"任务": 4.0, "b": 1.0})
    assert found == pytest.approx({"任务": 0.975, "b": 1.025, "idle": 1.0})


def test_a_task_that_lags_behind_should_pull_harder():
    """Losses over first ones 0.9 and 0.3, so r is 1.5 and 0.5: at equal norms the first factor rises."""
    history = {"slow": TaskHistory(first_loss=1.0), "fast": TaskHistory(first_loss=2.0)}
    found = noted(gradnorm(gradnorm_alpha=1.0), history, {"slow": 0.9, "fast": 0.6}, {"slow": 2.0, "fast": 2.0})
    assert found == pytest.approx({"slow": 1.025, "fast": 0.975})


@pytest.mark.parametrize(("alpha", "first"), [(0.0, 0.975), (1.0, 0.975), (1.5, 1.025)])
def test_alpha_is_the_power_of_the_rates(alpha, first):
    """Norms 3 and 2, mean 2.5; rates 1.15 and 0.85: wanted are 2.875 and 2.125, or to the power 1.5 3.083 and 1.959."""
    history = {"a": TaskHistory(first_loss=1.0), "乙": TaskHistory(first_loss=2.0)}
    found = noted(gradnorm(gradnorm_alpha=alpha), history, {"a": 1.15, "乙": 1.7}, {"a": 3.0, "乙": 2.0})
    assert found == pytest.approx({"a": first, "乙": 2.0 - first})


def test_alone_in_its_step_a_task_moves_its_own_factor_by_running_means():
    """Norms 1, 3, then 5: the running mean of a is 1.2, still below the mean pull of 2.1, so its factor rises."""
    history = {"a": TaskHistory(), "b": TaskHistory()}
    weighting = gradnorm(gradnorm_alpha=0.0, weighting_learning_rate=0.1)
    noted(weighting, history, {"a": 1.0}, {"a": 1.0})
    assert weighting.factors(history) == {"a": 1.0, "b": 1.0}
    history["b"].learned.update({"norm": 3.0, "loss": 1.0})
    found = noted(weighting, history, {"a": 3.0}, {"a": 5.0})
    assert history["a"].learned["norm"] == pytest.approx(1.2)
    assert history["a"].learned["loss"] == pytest.approx(1.1)
    assert found == pytest.approx({"a": 2 * 1.1 / 2.1, "b": 2 * 1.0 / 2.1})


def test_a_step_whose_gradients_did_not_reach_the_layer_changes_nothing():
    history = {"a": TaskHistory(), "b": TaskHistory()}
    assert noted(gradnorm(), history, {"a": 1.0, "b": 2.0}, {}) == {"a": 1.0, "b": 1.0}


def test_no_factor_falls_to_nothing():
    history = {"a": TaskHistory(), "b": TaskHistory()}
    weighting = gradnorm(weighting_learning_rate=0.5)
    for _ in range(10):
        found = noted(weighting, history, {"a": 1.0, "b": 1.0}, {"a": 1e4, "b": 1.0})
        assert found["a"] >= 0.01
        assert sum(found.values()) == pytest.approx(2.0)
    assert found == pytest.approx({"a": 0.01, "b": 1.99})


def test_what_makes_the_mean_one_lets_no_factor_fall_below_the_least():
    """3 / 3.020067 makes a too small; with a at 0.01, 2.99 / 3.010067 makes b too small; c has what is left of 3."""
    history = {"a": TaskHistory(), "b": TaskHistory(), "丙": TaskHistory()}
    for name, weight in (("a", 0.01), ("b", 0.010067), ("丙", 3.0)):
        history[name].learned.update(norm=1.0, loss=1.0, weight=weight)
    assert noted(gradnorm(), history, {}, {}) == pytest.approx({"a": 0.01, "b": 0.01, "丙": 2.98}, rel=1e-12)


def test_it_learns_what_torch_learns_from_the_papers_loss():
    torch = pytest.importorskip("torch")
    names, alpha = ("a", "b", "丙"), 1.5
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([weights], lr=0.025)
    history = {name: TaskHistory() for name in names}
    weighting = gradnorm(gradnorm_alpha=alpha)
    first = torch.tensor([2.0, 0.7, 5.0], dtype=torch.float64)
    for step in range(40):
        norms = torch.tensor([1.0 + step % 3, 4.0 / (1 + step / 9), 0.4 + 0.1 * (step % 5)], dtype=torch.float64)
        losses = first * torch.tensor([0.97, 0.9, 0.995], dtype=torch.float64) ** step
        pulls = weights * norms  # of w * loss, whose gradient is w times that of the loss
        rates = losses / first
        wanted = (pulls.mean() * (rates / rates.mean()) ** alpha).detach()
        adam.zero_grad()
        (pulls - wanted).abs().sum().backward()
        adam.step()
        with torch.no_grad():
            weights *= 3 / weights.sum()
        found = noted(
            weighting,
            history,
            dict(zip(names, losses.tolist(), strict=True)),
            dict(zip(names, norms.tolist(), strict=True)),
        )
        assert list(found.values()) == pytest.approx(weights.tolist(), rel=1e-9), step
