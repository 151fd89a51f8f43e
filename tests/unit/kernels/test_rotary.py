"""Rotary attention: rotations by hand, windows against masks, blocks against whole sequences, gradients."""

from dataclasses import replace

import numpy as np
import paddle
import pytest

from palm.kernels import rotary
from palm.kernels.contract import LayerSettings, Rows
from palm.kernels.rotary import Reach, attention, local_reach, plain_attention, whole_reach

HEADS, SIZE, THETA = 2, 6, 100.0
SETTINGS = LayerSettings(HEADS, "gelu", 1e-5, 0.0, 0.0)


def qkv_of(rows: Rows, seed: int = 0) -> paddle.Tensor:
    values = np.random.default_rng(seed).normal(size=(rows.batch * rows.seq, 3 * HEADS * SIZE)).astype("float32")
    return paddle.to_tensor(values, stop_gradient=False)


def rows_of(*lengths: int, padded: bool = True) -> Rows:
    seq = max(lengths)
    mask = np.where(np.arange(seq) < np.array(lengths)[:, None], 0.0, -10000.0).astype("float32")
    return Rows(len(lengths), seq, paddle.to_tensor(mask[:, None, None]) if padded else None)


def by_hand(qkv: np.ndarray, rows: Rows, window: int | None) -> np.ndarray:
    """Attention from its definition, with complex numbers for the rotation, in float64."""
    given = qkv.astype("float64").reshape(rows.batch, rows.seq, 3, HEADS, SIZE)
    angles = np.arange(rows.seq)[:, None] * THETA ** (-np.arange(SIZE // 2) * 2 / SIZE)

    def rotated(vectors: np.ndarray) -> np.ndarray:
        turned = (vectors[..., : SIZE // 2] + 1j * vectors[..., SIZE // 2 :]) * np.exp(1j * angles)
        return np.concatenate([turned.real, turned.imag], -1)

    context = np.zeros((rows.batch, rows.seq, HEADS, SIZE))
    for text in range(rows.batch):
        for head in range(HEADS):
            query, key, value = (given[text, :, part, head] for part in range(3))
            scores = rotated(query) @ rotated(key).T / SIZE**0.5
            if window is not None:
                scores[np.abs(np.subtract.outer(np.arange(rows.seq), np.arange(rows.seq))) > window] = -np.inf
            if rows.mask is not None:
                scores[:, rows.mask.numpy()[text, 0, 0] < 0] = -np.inf
            with np.errstate(invalid="ignore"):
                shares = np.exp(scores - scores.max(-1, keepdims=True))
            context[text, :, head] = shares / shares.sum(-1, keepdims=True) @ value
    return context.reshape(rows.batch * rows.seq, HEADS * SIZE)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("window", [None, 3, 30])
@pytest.mark.parametrize("lengths", [(5,), (7, 4), (12, 11, 3), (40, 17), (37,)])
def test_it_is_what_its_definition_says(lengths: tuple[int, ...], window: int | None, fused: bool) -> None:
    rows = rows_of(*lengths)
    reach = whole_reach(rows, SIZE, THETA) if window is None else local_reach(rows, SIZE, THETA, window)
    found = attention(qkv_of(rows), reach, settings=SETTINGS, rows=rows, fused=fused).numpy()
    real = np.concatenate([np.arange(rows.seq) < length for length in lengths])

    np.testing.assert_allclose(found[real], by_hand(qkv_of(rows).numpy(), rows, window)[real], atol=2e-5)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("lengths", [(7, 4), (40, 17), (37,)])
@pytest.mark.parametrize("local", [True, False])
def test_gradients_are_those_of_paddles_own_operations(lengths: tuple[int, ...], local: bool, fused: bool) -> None:
    rows = rows_of(*lengths, padded=len(lengths) > 1)
    reach = local_reach(rows, SIZE, THETA, 3) if local else whole_reach(rows, SIZE, THETA)
    weights = paddle.to_tensor(np.random.default_rng(1).normal(size=(rows.batch * rows.seq, HEADS * SIZE)), "float32")

    def gradient(compute) -> np.ndarray:
        qkv = qkv_of(rows)
        (compute(qkv) * weights).sum().backward()
        return qkv.grad.numpy()

    ours = gradient(lambda qkv: attention(qkv, reach, settings=SETTINGS, rows=rows, fused=fused))
    theirs = gradient(lambda qkv: plain_attention(qkv, reach, settings=SETTINGS, rows=rows))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_long_sequences_are_computed_in_blocks_and_short_ones_at_once() -> None:
    reaches = {seq: local_reach(rows_of(seq), SIZE, THETA, 3) for seq in (4, 5, 12, 13)}

    assert {seq: reach.window for seq, reach in reaches.items()} == {4: None, 5: None, 12: None, 13: 3}
    assert reaches[4].mask.shape == [1, 1, 1, 4]
    assert reaches[12].mask.shape == [1, 1, 12, 12]
    assert reaches[13].mask.shape == [1, 1, 5, 3, 9]
    assert whole_reach(rows_of(5, padded=False), SIZE, THETA).mask is None


def test_only_the_distance_of_two_tokens_matters() -> None:
    """The same two vectors, further behind, are compared the same."""
    rows = rows_of(9, padded=False)
    cosine, sine = whole_reach(rows, SIZE, THETA).cosine, whole_reach(rows, SIZE, THETA).sine
    query, key = (paddle.randn([1, 1, 1, SIZE]).expand([1, 1, 9, SIZE]) for _ in range(2))
    turned = [rotary._rotated(each.contiguous(), Reach(cosine, sine, None)).numpy()[0, 0] for each in (query, key)]
    scores = turned[0] @ turned[1].T

    np.testing.assert_allclose(scores[2:, 2:], scores[:-2, :-2], atol=1e-5)


def test_bfloat16_stays_close() -> None:
    rows = rows_of(40, 17)
    reach = local_reach(rows, SIZE, THETA, 3)
    one, other = (
        attention(qkv_of(rows), reach, settings=replace(SETTINGS, bf16=bf16), rows=rows, fused=False).numpy()
        for bf16 in (False, True)
    )
    assert 0 < np.abs(one - other).max() < 0.05
