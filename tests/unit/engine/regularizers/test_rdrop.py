"""R-Drop: the mean loss of two passes, and the weighted divergence of their outputs."""

import paddle
import pytest

from palm.engine.regularizers.rdrop import rdrop_loss
from palm.paradigm import Regression


def test_mean_loss_and_weighted_divergence():
    inputs = {"label_values": paddle.to_tensor([1.0, 1.0])}
    first, second = ({"values": paddle.to_tensor(values)} for values in ([2.0, 1.0], [4.0, 1.0]))
    found = rdrop_loss(Regression(Regression.Config()), first, inputs, lambda: second, 3.0)
    # Losses: 1/2 and 9/2. Divergence: (2² + 0²) / 2.
    assert float(found) == pytest.approx((0.5 + 4.5) / 2 + 3.0 * 2.0)
