"""Rotary attention in C over packed rows: against its definition and Paddle's gradients, over threads, with dropout."""

import hashlib
import threading
from dataclasses import replace

import numpy as np
import paddle
import pytest

from palm.kernels import plain
from palm.kernels.contract import LayerSettings
from palm.kernels.fused import rotary as fused
from palm.kernels.fused.float32_layer import find_product_functions
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.rotary import RotaryPacking, RotaryRows, Rotation, plain_attention

HEADS, SIZE = 3, 10
WIDTH = HEADS * SIZE
SETTINGS = LayerSettings(HEADS, "gelu", 1e-5, 0.0, 0.0)


def available() -> bool:
    try:
        load_kernels()
    except KernelsUnavailableError:
        return False
    return find_product_functions() is not None


pytestmark = pytest.mark.skipif(not available(), reason="the C kernels were not built, or there is no sgemm")


def rows_of(*lengths: int, window: int = 5) -> RotaryRows:
    seq = max(lengths)
    mask = np.where(np.arange(seq) < np.array(lengths)[:, None], 0.0, -10000.0).astype("float32")
    rotation = Rotation(SIZE, 100.0, 50.0, window)
    return RotaryRows(len(lengths), seq, paddle.to_tensor(mask[:, None, None]), rotation)


def values(rows: int, width: int, seed: int = 0) -> paddle.Tensor:
    drawn = np.random.default_rng(seed).normal(size=(rows, width)).astype("float32")
    return paddle.to_tensor(drawn, stop_gradient=False)


def packed_attention(
    qkv: paddle.Tensor, rows: RotaryRows, *, local: bool, settings: LayerSettings = SETTINGS
) -> paddle.Tensor:
    packing = RotaryPacking(rows)
    table = packing.rows.local if local else packing.rows.whole
    window = packing.rows.rotation.window if local else None
    return packing.unpack(fused.attention(packing.pack(qkv), packing.rows, table, window, settings))


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("lengths", [(1,), (7, 4), (64,), (65, 130, 3), (200, 129)])
def test_values_and_gradients_are_those_of_paddles_operations(lengths: tuple[int, ...], local: bool) -> None:
    rows = rows_of(*lengths)
    above = values(rows.batch * rows.seq, WIDTH, 1).detach() * (rows.mask.flatten() == 0).astype("float32").unsqueeze(1)

    def computed(compute) -> tuple[np.ndarray, np.ndarray]:
        qkv = values(rows.batch * rows.seq, 3 * WIDTH)
        out = compute(qkv)
        (out * above).sum().backward()
        return out.numpy() * (above.numpy() != 0), qkv.grad.numpy()

    ours = computed(lambda qkv: packed_attention(qkv, rows, local=local))
    reach = rows.local if local else rows.whole
    theirs = computed(lambda qkv: plain_attention(qkv, reach, settings=SETTINGS, rows=rows))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("local", [False, True])
def test_the_gradient_is_that_of_the_same_dropout(local: bool) -> None:
    """A directional derivative by differences, with the same seed."""
    rows, settings = rows_of(70, 9), replace(SETTINGS, attention_dropout=0.3)
    above, along = values(140, WIDTH, 1).detach(), values(140, 3 * WIDTH, 2).detach()

    def loss(shift: float) -> tuple[float, paddle.Tensor]:
        paddle.seed(11)
        qkv = (values(140, 3 * WIDTH).detach() + along * shift).detach()
        qkv.stop_gradient = False
        total = (packed_attention(qkv, rows, local=local, settings=settings) * above).sum()
        total.backward()
        return float(total), qkv.grad

    slope = (loss(1e-3)[0] - loss(-1e-3)[0]) / 2e-3
    assert slope == pytest.approx(float((loss(0.0)[1] * along).sum()), rel=5e-3, abs=5e-2)
    paddle.seed(11)
    dropped = packed_attention(values(140, 3 * WIDTH), rows, local=local, settings=settings)
    assert np.abs((dropped - packed_attention(values(140, 3 * WIDTH), rows, local=local)).numpy()).max() > 0.1


def test_dropout_keeps_the_mean() -> None:
    rows, settings = rows_of(150), replace(SETTINGS, attention_dropout=0.5)
    qkv = paddle.concat([values(150, 2 * WIDTH).detach() * 0.1, paddle.ones([150, WIDTH])], 1)
    means = [float(packed_attention(qkv, rows, local=False, settings=settings).mean()) for _ in range(8)]
    assert np.mean(means) == pytest.approx(1.0, abs=0.02)
    assert np.std(means) > 0


def test_gated_is_gelu_of_one_half_times_the_other() -> None:
    def computed(compute) -> tuple[np.ndarray, np.ndarray]:
        both = values(37, 2 * 21)
        out = compute(both)
        (out * values(37, 21, 1).detach()).sum().backward()
        return out.numpy(), both.grad.numpy()

    def by_paddle(both: paddle.Tensor) -> paddle.Tensor:
        one, gate = paddle.chunk(both, 2, axis=-1)
        return plain.activation(one, "gelu") * gate

    for one, other in zip(computed(fused.gated), computed(by_paddle), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def digest() -> str:
    """A sha256 of the output and the gradient of attention, over all tokens and over windows."""
    rows, found = rows_of(130, 1, 77), hashlib.sha256()
    for local in (False, True):
        paddle.seed(3)
        qkv = values(390, 3 * WIDTH)
        out = packed_attention(qkv, rows, local=local, settings=replace(SETTINGS, attention_dropout=0.1))
        (out * values(390, WIDTH, 1).detach()).sum().backward()
        found.update(out.numpy().tobytes() + qkv.grad.numpy().tobytes())
    return found.hexdigest()


def test_two_threads_at_once_compute_what_each_computes_alone() -> None:
    rows = rows_of(90, 33)
    alone = [packed_attention(values(180, 3 * WIDTH, seed), rows, local=True).numpy() for seed in range(2)]
    wrong: list[int] = []

    def repeat(seed: int) -> None:
        for _ in range(30):
            found = packed_attention(values(180, 3 * WIDTH, seed), rows, local=True).numpy()
            if not np.array_equal(found, alone[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=repeat, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
