"""Disentangled attention against its definition, token pair by token pair; gradients."""

from dataclasses import replace

import numpy as np
import paddle
import pytest

from palm.kernels.contract import LayerSettings, Rows
from palm.kernels.disentangled import Distances, attention, plain_attention

HEADS, SIZE = 2, 5
WIDTH = HEADS * SIZE
SETTINGS = LayerSettings(HEADS, "gelu", 1e-5, 0.0, 0.0)
TERMS = {"both": (True, True), "c2p": (True, False), "p2c": (False, True), "neither": (False, False)}


def made(*shape: int, seed: int = 0) -> paddle.Tensor:
    values = np.random.default_rng([seed, *shape]).normal(size=shape).astype("float32")
    return paddle.to_tensor(values, stop_gradient=False)


def rows_of(*lengths: int) -> Rows:
    seq = max(lengths)
    mask = np.where(np.arange(seq) < np.array(lengths)[:, None], 0.0, -10000.0).astype("float32")
    return Rows(len(lengths), seq, None if len(set(lengths)) == 1 else paddle.to_tensor(mask[:, None, None]))


def given(rows: Rows, terms: str) -> tuple[paddle.Tensor, Distances]:
    keys, queries = TERMS[terms]
    vectors = [made(2 * rows.seq - 1, WIDTH, seed=seed) if used else None for seed, used in ((1, keys), (2, queries))]
    return made(rows.batch * rows.seq, 3 * WIDTH), Distances(*vectors, 1 + keys + queries)


def by_hand(qkv: np.ndarray, distances: Distances, rows: Rows, lengths: tuple[int, ...]) -> np.ndarray:
    """For each query and key: content to content, query to distance, key to distance; in float64."""
    parts = qkv.astype("float64").reshape(rows.batch, rows.seq, 3, HEADS, SIZE)
    tables = [
        None if table is None else table.numpy().astype("float64").reshape(-1, HEADS, SIZE)
        for table in (distances.keys, distances.queries)
    ]
    context = np.zeros((rows.batch, rows.seq, HEADS, SIZE))
    for text, length in enumerate(lengths):
        for head in range(HEADS):
            query, key, value = (parts[text, :length, part, head] for part in range(3))
            scores = query @ key.T
            for i in range(length):
                for j in range(length):
                    place = i - j + rows.seq - 1
                    scores[i, j] += 0 if tables[0] is None else query[i] @ tables[0][place, head]
                    scores[i, j] += 0 if tables[1] is None else key[j] @ tables[1][place, head]
            shares = np.exp(scores / (SIZE * distances.terms) ** 0.5)
            context[text, :length, head] = shares / shares.sum(-1, keepdims=True) @ value
    return context.reshape(rows.batch * rows.seq, WIDTH)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("lengths", [(1,), (2, 2), (7, 4), (9, 9, 3)])
def test_it_is_what_its_definition_says(lengths: tuple[int, ...], terms: str, fused: bool) -> None:
    rows = rows_of(*lengths)
    qkv, distances = given(rows, terms)
    real = np.concatenate([np.arange(rows.seq) < length for length in lengths])
    expected = by_hand(qkv.numpy(), distances, rows, lengths)[real]
    found = attention(qkv, distances, settings=SETTINGS, rows=rows, fused=fused).numpy()

    np.testing.assert_allclose(found[real], expected, atol=2e-5)
    np.testing.assert_allclose(
        plain_attention(qkv, distances, settings=SETTINGS, rows=rows).numpy()[real], expected, atol=2e-5
    )


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("lengths", [(1,), (2, 2), (7, 4)])
def test_gradients_are_those_of_paddles_own_operations(lengths: tuple[int, ...], terms: str, fused: bool) -> None:
    rows = rows_of(*lengths)
    weights = made(rows.batch * rows.seq, WIDTH, seed=3).detach()

    def gradients(compute) -> list[np.ndarray]:
        qkv, distances = given(rows, terms)
        (compute(qkv, distances) * weights).sum().backward()
        tensors = (qkv, distances.keys, distances.queries)
        return [each.grad.numpy() for each in tensors if each is not None]

    ours = gradients(lambda qkv, distances: attention(qkv, distances, settings=SETTINGS, rows=rows, fused=fused))
    theirs = gradients(lambda qkv, distances: plain_attention(qkv, distances, settings=SETTINGS, rows=rows))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_bfloat16_stays_close() -> None:
    rows = rows_of(9, 4)
    qkv, distances = given(rows, "both")
    one, other = (
        attention(qkv, distances, settings=replace(SETTINGS, bf16=bf16), rows=rows, fused=False).numpy()
        for bf16 in (False, True)
    )
    assert 0 < np.abs(one - other).max() < 0.05
