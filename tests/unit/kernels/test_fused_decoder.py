"""Attention of a decoder in C: against its definition and Paddle's gradients, over threads, with dropout."""

import hashlib
from dataclasses import replace

import numpy as np
import paddle
import pytest

from palm.kernels import decoder_attention
from palm.kernels.batch_position import BatchPosition, at_position
from palm.kernels.contract import DecoderAttention
from palm.kernels.decoder_attention import attend
from palm.kernels.fused import decoder as fused
from palm.kernels.fused.float32_layer import find_product_functions
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels

HEADS, SIZE = 3, 10
WIDTH = HEADS * SIZE


def available() -> bool:
    try:
        load_kernels()
    except KernelsUnavailableError:
        return False
    return find_product_functions() is not None


pytestmark = pytest.mark.skipif(not available(), reason="the C kernels were not built, or there is no sgemm")

# Queries and keys of each sequence; 64 queries are a block.
CAUSAL = [(1, 1), (7, 7), (64, 64), (65, 65), (200, 200)]
CROSS = [(1, 5), (7, 3), (64, 130), (130, 1), (65, 64)]


def settings(batch: int, *, causal: bool, dropout: float = 0.0, fused: bool = True) -> DecoderAttention:
    return DecoderAttention(HEADS, batch, causal, dropout, fused=fused, bf16=False)


def values(rows: int, width: int, seed: int) -> paddle.Tensor:
    drawn = np.random.default_rng(seed).normal(size=(rows, width)).astype("float32")
    return paddle.to_tensor(drawn, stop_gradient=False)


def padding(batch: int, keys: int) -> paddle.Tensor:
    """A mask that lets the first sequence see all keys, and the others fewer, at least one."""
    lengths = np.maximum(1, keys - np.arange(batch) * 2)
    hidden = np.where(np.arange(keys) < lengths[:, None], 0.0, -10000.0).astype("float32")
    return paddle.to_tensor(hidden[:, None, None])


def results(batch: int, queries: int, keys: int, mask: paddle.Tensor | None, own: DecoderAttention) -> list[np.ndarray]:
    """Context, and the gradients of queries and of keys and values."""
    query, key_value = values(batch * queries, WIDTH, 0), values(batch * keys, 2 * WIDTH, 1)
    context = attend(query, key_value, mask, own)
    (context * values(batch * queries, WIDTH, 2).detach()).sum().backward()
    return [each.numpy() for each in (context, query.grad, key_value.grad)]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("queries", "keys", "causal", "masked"),
    [
        *((*lengths, True, False) for lengths in CAUSAL),
        *((*lengths, False, masked) for lengths in CROSS for masked in (False, True)),
        (70, 70, True, True),
    ],
)
def test_values_and_gradients_are_those_of_paddles_operations(
    monkeypatch: pytest.MonkeyPatch, batch: int, queries: int, keys: int, causal: bool, masked: bool
) -> None:
    mask = padding(batch, keys) if masked else None
    ours = results(batch, queries, keys, mask, settings(batch, causal=causal))
    monkeypatch.setattr(decoder_attention, "on_cpu", lambda _: False)  # Paddle's operations and gradients
    theirs = results(batch, queries, keys, mask, settings(batch, causal=causal, fused=False))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_it_is_the_kernel_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(fused, "load_kernels", lambda: lambda name, *given: called.append(name))
    query, key_value = values(4, WIDTH, 0), values(6, 2 * WIDTH, 1)
    for causal in (False, True):
        attend(query, key_value if not causal else values(4, 2 * WIDTH, 1), None, settings(2, causal=causal))
    attend(query, key_value, None, replace(settings(2, causal=False), bf16=True))
    assert called == ["decoder_attention"] * 2


def test_what_needs_no_gradient_gets_none() -> None:
    query, key_value = values(4, WIDTH, 0), values(6, 2 * WIDTH, 1)
    key_value.stop_gradient = True
    attend(query, key_value, None, settings(2, causal=False)).sum().backward()
    assert query.grad is not None
    assert key_value.grad is None


@pytest.mark.parametrize(("queries", "keys", "causal"), [(70, 70, True), (9, 70, False)])
def test_the_gradient_is_that_of_the_same_dropout(queries: int, keys: int, causal: bool) -> None:
    """A directional derivative by differences, with the same seed."""
    own = settings(2, causal=causal, dropout=0.3)
    above = values(2 * queries, WIDTH, 2).detach()
    along = values(2 * queries, WIDTH, 3).detach(), values(2 * keys, 2 * WIDTH, 4).detach()

    def loss(shift: float) -> tuple[float, list[paddle.Tensor]]:
        given = [values(2 * queries, WIDTH, 0), values(2 * keys, 2 * WIDTH, 1)]
        paddle.seed(7)
        moved = [each + shift * way for each, way in zip(given, along, strict=True)]
        total = (attend(*moved, None, own).astype("float64") * above.astype("float64")).sum()
        total.backward()
        return float(total), given

    (more, _), (less, _), (_, given) = loss(1e-3), loss(-1e-3), loss(0.0)
    expected = sum(float((each.grad * way).sum()) for each, way in zip(given, along, strict=True))
    assert (more - less) / 2e-3 == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize("causal", [True, False])
def test_a_process_with_a_part_of_the_batch_drops_what_one_with_all_of_it_drops(causal: bool) -> None:
    own, query, key_value = settings(3, causal=causal, dropout=0.5), values(15, WIDTH, 0), values(15, 2 * WIDTH, 1)
    paddle.seed(3)
    whole = attend(query, key_value, None, own).numpy()
    paddle.seed(3)
    with at_position(BatchPosition(own=1, sequences=2, total=3)):
        last = attend(query[10:], key_value[10:], None, replace(own, batch=1)).numpy()
    assert np.array_equal(last, whole[10:])
    assert not np.array_equal(whole, attend(query, key_value, None, replace(own, dropout=0.0)).numpy())


@pytest.mark.parametrize("causal", [True, False])
def test_dropout_keeps_the_mean(causal: bool) -> None:
    """Values of 1 give the sum of the probabilities that are kept, whose mean is 1."""
    query, ones = values(64 * 40, WIDTH, 0), paddle.ones([64 * 40, 2 * WIDTH])
    context = attend(query, ones, None, settings(64, causal=causal, dropout=0.25)).numpy()
    assert context.mean() == pytest.approx(1.0, abs=0.01)
    assert context.std() > 0.05


def digest() -> str:
    """Of what both kinds of attention and their gradients give with dropout."""
    found = hashlib.sha256()
    for queries, keys, causal in ((130, 130, True), (70, 90, False)):
        paddle.seed(11)
        for array in results(3, queries, keys, padding(3, keys), settings(3, causal=causal, dropout=0.2)):
            found.update(array.tobytes())
    return found.hexdigest()
