"""What PALM makes of Paddle 2.6.2 and 3.x: each function with the Paddle that is installed."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from palm.runtime import paddle_versions


@pytest.mark.parametrize(("version", "major"), [("2.6.2", 2), ("3.3.1", 3), ("3.4.0.dev1", 3), ("0.0.0", 3)])
def test_the_major_version(monkeypatch: pytest.MonkeyPatch, version: str, major: int) -> None:
    monkeypatch.setattr(paddle, "__version__", version)
    assert paddle_versions.paddle_major() == major


def test_initial_weights_are_cut_at_two_deviations() -> None:
    layer = paddle.nn.Linear(200, 200, weight_attr=paddle.ParamAttr(initializer=paddle_versions.truncated_normal(0.02)))
    weights = layer.weight.numpy()
    assert np.abs(weights).max() <= 0.04
    assert np.abs(weights).max() > 0.0395
    assert weights.std() == pytest.approx(0.02 * 0.8796, rel=0.02)  # of a normal distribution cut at two deviations


def test_empty_tensors_are_computed_where_that_is_said() -> None:
    def total() -> float:
        return float((paddle.zeros([0, 3]) @ paddle.ones([3, 2])).sum())

    if paddle_versions.computes_empty_tensors():
        assert total() == 0.0
    else:
        with pytest.raises(ValueError, match="must not be"):
            total()


def test_static_graphs_need_paddle_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paddle, "__version__", "2.6.2")
    assert "Paddle 2.6 cannot translate" in str(paddle_versions.static_graph_refusal())
    monkeypatch.setattr(paddle, "__version__", "3.0.0")
    assert paddle_versions.static_graph_refusal() is None


@pytest.mark.parametrize(
    ("version", "order", "late"),
    [
        ("2.6.2", ["zlib", "numpy.random.mtrand", "paddle.base.libpaddle"], []),
        ("2.6.2", ["zlib", "paddle.base.libpaddle", "numpy.random.mtrand"], ["numpy.random.mtrand"]),
        ("2.6.2", ["paddle.base.libpaddle", "zlib"], ["numpy.random.mtrand", "zlib"]),
        ("2.6.2", ["zlib"], []),
        ("3.3.1", ["paddle.base.libpaddle", "zlib"], []),
    ],
)
def test_what_was_imported_after_paddle_2(
    monkeypatch: pytest.MonkeyPatch, version: str, order: list[str], late: list[str]
) -> None:
    monkeypatch.setattr(paddle, "__version__", version)
    monkeypatch.setattr(paddle_versions, "sys", SimpleNamespace(modules=dict.fromkeys(order)))
    assert paddle_versions.modules_too_late() == late
