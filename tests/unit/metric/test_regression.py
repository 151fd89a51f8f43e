"""Correlations by hand and against scipy."""

import numpy as np
import pytest

from palm.metric import METRICS


def figure(name: str, predicted: list[float], gold: list[float]) -> float:
    return METRICS[name]([{"value": value} for value in predicted], [{"label": value} for value in gold])[name]


def test_a_line_and_a_curve():
    assert figure("pearson", [1, 2, 3], [2, 4, 6]) == pytest.approx(1.0)
    assert figure("pearson", [1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert figure("spearman", [1, 2, 3, 4], [1, 10, 100, 1000]) == pytest.approx(1.0)


def test_equals_share_their_mean_rank():
    # Ranks 1.5, 1.5, 3 and 1, 2, 3: the deviations are -.5 -.5 1 and -1 0 1.
    assert figure("spearman", [5, 5, 7], [1, 2, 3]) == pytest.approx(1.5 / (1.5**0.5 * 2**0.5))


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_what_is_constant_does_not_correlate(name):
    assert figure(name, [1, 1, 1], [1, 2, 3]) == 0.0
    assert figure(name, [1, 2], [3, 3]) == 0.0
    assert figure(name, [], []) == 0.0
    assert figure(name, [1], [1]) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_equals_scipy(seed):
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(seed)
    one, other = generator.integers(6, size=30).tolist(), generator.normal(size=30).tolist()
    assert figure("pearson", one, other) == pytest.approx(stats.pearsonr(one, other)[0])
    assert figure("spearman", one, other) == pytest.approx(stats.spearmanr(one, other)[0])
