"""The gradient methods give what TorchJD's aggregators give."""

import numpy as np
import pytest

from palm.balancing.gradients import GRADIENT_METHODS, GradientFields

torch = pytest.importorskip("torch", reason="the extra `parity` brings torch")
aggregation = pytest.importorskip("torchjd.aggregation", reason="the extra `parity` brings torchjd")


class Orders:
    """Gives the orders that TorchJD drew."""

    def __init__(self, orders):
        self._orders = iter(orders)

    def permutation(self, count):
        order = next(self._orders)
        assert len(order) == count
        return order


def gradient_sets():
    generator = np.random.default_rng(7)
    for count, size in [(2, 2), (2, 50), (3, 2), (3, 10), (5, 4), (6, 200)]:
        for shift in (0.0, 0.3):
            yield generator.normal(size=(count, size)) * generator.uniform(0.2, 3, size=(count, 1)) + shift


def both(name, aggregator, gradients, generator=None):
    weights = GRADIENT_METHODS[name](GradientFields()).weights(gradients @ gradients.T, generator)
    return weights @ gradients, aggregator(torch.tensor(gradients)).numpy()


@pytest.mark.parametrize("gradients", list(gradient_sets()), ids=lambda array: "x".join(map(str, array.shape)))
class TestParity:
    def test_mgda(self, gradients):
        found, wanted = both("mgda", aggregation.MGDA(epsilon=1e-9, max_iters=20_000), gradients)
        assert found == pytest.approx(wanted, abs=2e-3)

    def test_pcgrad(self, gradients, monkeypatch):
        drawn, draw = [], torch.randperm

        def randperm(count):
            drawn.append(draw(count))
            return drawn[-1]

        monkeypatch.setattr(torch, "randperm", randperm)
        wanted = aggregation.PCGrad()(torch.tensor(gradients)).numpy()
        orders = Orders([order.tolist() for order in drawn])
        weights = GRADIENT_METHODS["pcgrad"](GradientFields()).weights(gradients @ gradients.T, orders)
        assert weights @ gradients == pytest.approx(wanted, rel=1e-9)

    def test_upgrad(self, gradients):
        pytest.importorskip("quadprog", reason="torchjd[quadprog-projector] brings it")
        found, wanted = both("upgrad", aggregation.UPGrad(), gradients)
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-9)

    def test_cagrad(self, gradients):
        pytest.importorskip("cvxpy", reason="torchjd[cagrad] brings it")
        found, wanted = both("cagrad", aggregation.CAGrad(c=0.5), gradients)
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-3)

    @pytest.mark.filterwarnings("ignore")  # of cvxpy, about the published program
    def test_nash_mtl(self, gradients):
        pytest.importorskip("ecos", reason="torchjd[nash-mtl] brings it")
        if np.linalg.matrix_rank(gradients) < len(gradients):
            pytest.skip("the published program wants gradients that are independent")
        found, wanted = both("nash_mtl", aggregation.NashMTL(n_tasks=len(gradients)), gradients)
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-5)
