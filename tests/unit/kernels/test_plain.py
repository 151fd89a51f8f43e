"""Paddle's fused attention, which a GPU takes: its function on the CPU, and when it is chosen."""

import numpy as np
import paddle
import pytest

from palm.kernels import plain
from palm.kernels.contract import LayerSettings, Rows
from palm.runtime import paddle_versions

SETTINGS = LayerSettings(heads=4, activation="gelu", epsilon=1e-12, hidden_dropout=0.0, attention_dropout=0.0)
LENGTHS = np.array([7, 3, 5])


def qkv() -> paddle.Tensor:
    values = np.random.default_rng(2).normal(size=(3 * 7, 3 * 32)).astype("float32")
    return paddle.to_tensor(values, stop_gradient=False)


def rows(*, masked: bool) -> Rows:
    mask = np.where(np.arange(7) < LENGTHS[:, None], 0.0, -10000.0).astype("float32")[:, None, None]
    return Rows(3, 7, paddle.to_tensor(mask) if masked else None)


@pytest.mark.parametrize("masked", [False, True])
def test_it_is_the_plain_attention(masked: bool) -> None:
    if masked and paddle_versions.paddle_major() < 3:
        pytest.skip("Paddle 2.6 computes a mask in its fused attention on a GPU alone")
    real = np.repeat(np.arange(7) < LENGTHS[:, None], 32, axis=1).reshape(21, 32) if masked else ...
    found = []
    for attention in (plain.plain_attention, plain.fused_attention):
        given = qkv()
        context = attention(given, settings=SETTINGS, rows=rows(masked=masked))
        (context * paddle.to_tensor(np.where(real, 1.0, 0.0).astype("float32"))).square().sum().backward()
        found.append((context.numpy()[real], given.grad.numpy()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-6)


class OnGpu:
    """What the choice asks of a tensor."""

    def __init__(self, dtype: paddle.dtype, *, gpu: bool = True) -> None:
        self.dtype, self._gpu, self.place = dtype, gpu, self

    def is_gpu_place(self) -> bool:
        return self._gpu


@pytest.mark.parametrize(
    ("dtype", "gpu", "bias", "masks", "chosen"),
    [
        ("float16", True, None, True, True),
        ("bfloat16", True, None, True, True),
        ("float16", True, None, False, False),
        ("float32", True, None, True, False),
        ("float16", False, None, True, False),
        ("float16", True, "trained", True, False),
    ],
)
def test_when_it_is_chosen(
    monkeypatch: pytest.MonkeyPatch, dtype: str, gpu: bool, bias: object, masks: bool, chosen: bool
) -> None:
    monkeypatch.setattr(plain, "fused_attention_takes_masks", lambda: masks)
    tensor = OnGpu(getattr(paddle, dtype), gpu=gpu)
    assert plain._has_fused_attention(tensor, Rows(3, 7, object(), bias=bias)) is chosen  # type: ignore[arg-type]
    without = plain._has_fused_attention(tensor, Rows(3, 7, None, bias=bias))  # type: ignore[arg-type]
    assert without is (gpu and dtype != "float32" and bias is None)


@pytest.mark.parametrize(
    ("version", "capability", "takes"), [("2.6.2", 7, False), ("2.6.2", 8, True), ("3.3.1", 7, True)]
)
def test_masks_need_ampere_in_paddle_2(
    monkeypatch: pytest.MonkeyPatch, version: str, capability: int, takes: bool
) -> None:
    monkeypatch.setattr(paddle, "__version__", version)
    monkeypatch.setattr(paddle.device.cuda, "get_device_capability", lambda: (capability, 0))
    assert paddle_versions.fused_attention_takes_masks() is takes
