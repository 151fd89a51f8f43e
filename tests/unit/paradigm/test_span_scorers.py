"""Scores and losses of spans, against the published formulas computed term by term for every span."""

import math

import numpy as np
import paddle
import pytest
from pydantic import ValidationError

from palm.paradigm.span_scorers import MASKED, SCORERS, SpanScorerFields, circle_losses, gold_cells, mask_spans

HIDDEN, SIZE, TYPES, TOKENS = 7, 6, 3, 5


def layers_of(scorer: str, seed: int = 3) -> tuple[paddle.nn.Layer, dict[str, np.ndarray]]:
    """A scorer with random weights, and these by name."""
    config = SpanScorerFields(span_scorer=scorer, span_head_size=SIZE)
    layers = SCORERS[scorer].build(config, HIDDEN, TYPES)
    generator = np.random.default_rng(seed)
    for parameter in layers.parameters():
        parameter.set_value(generator.normal(size=parameter.shape).astype("float32"))
    return layers, {name: tensor.numpy().astype("float64") for name, tensor in layers.named_parameters()}


def features_of(batch: int = 2, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, TOKENS, HIDDEN)).astype("float32")


def rotation(position: int) -> np.ndarray:
    """The matrix of rotary positions, arXiv:2104.09864, equation 15, which turns neighbouring numbers."""
    matrix = np.zeros((SIZE, SIZE))
    for pair in range(SIZE // 2):
        angle = position * 10000 ** (-2 * pair / SIZE)
        turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        matrix[2 * pair : 2 * pair + 2, 2 * pair : 2 * pair + 2] = turn
    return matrix


def pairs_of_halves() -> list[int]:
    """Where the numbers that PALM turns together, `i` and `i + size/2`, stand when pairs are neighbours."""
    return [place for pair in range(SIZE // 2) for place in (pair, pair + SIZE // 2)]


def test_efficient_global_pointer_is_the_published_formula():
    """s(i, j) = q_i R(j - i) k_j / √d + w [q_i; k_i; q_j; k_j] / 2, with a bias for each end."""
    layers, weights = layers_of("global_pointer")
    features = features_of()
    found = SCORERS["global_pointer"].score(layers, paddle.to_tensor(features), TYPES).numpy()
    order = pairs_of_halves()
    for row, text in enumerate(features.astype("float64")):
        both = [token @ weights["pointer.weight"] + weights["pointer.bias"] for token in text]
        for start in range(TOKENS):
            for end in range(TOKENS):
                query, key = both[start][:SIZE][order], both[end][SIZE:][order]
                match = (rotation(start) @ query) @ (rotation(end) @ key) / math.sqrt(SIZE)
                for kind in range(TYPES):
                    first = both[start] @ weights["edges.weight"][:, kind] + weights["edges.bias"][kind]
                    last = both[end] @ weights["edges.weight"][:, TYPES + kind] + weights["edges.bias"][TYPES + kind]
                    assert found[row, kind, start, end] == pytest.approx(match + (first + last) / 2, abs=2e-5)


def test_global_pointer_sees_how_far_apart_two_tokens_are_and_not_where_they_stand():
    layers, _ = layers_of("global_pointer")
    layers.edges.weight.set_value(paddle.zeros_like(layers.edges.weight))
    features = np.repeat(features_of(1)[:, :1], TOKENS, axis=1)  # the same token everywhere
    [scores] = SCORERS["global_pointer"].score(layers, paddle.to_tensor(features), TYPES).numpy()[:, 0]
    for apart in range(TOKENS):
        diagonal = np.diagonal(scores, apart)
        assert diagonal == pytest.approx(np.full(TOKENS - apart, diagonal[0]), abs=1e-4)
    assert abs(scores[0, 0] - scores[0, 2]) > 1e-2


def test_biaffine_is_the_published_formula():
    """r(i, j) = s_i U e_j + W [s_i; e_j] + b of each type, minus that of no span: arXiv:2005.07150, section 3."""
    layers, weights = layers_of("biaffine")
    features = features_of()
    found = SCORERS["biaffine"].score(layers, paddle.to_tensor(features), TYPES).numpy()
    cube = weights["bilinear.weight"].reshape(SIZE, TYPES + 1, SIZE)
    for row, text in enumerate(features.astype("float64")):
        starts, ends = (
            np.maximum(text @ weights[f"{side}.weight"] + weights[f"{side}.bias"], 0) for side in ("start", "end")
        )
        for first in range(TOKENS):
            for last in range(TOKENS):
                scores = [
                    starts[first] @ cube[:, kind] @ ends[last]
                    + starts[first] @ weights["start_edges.weight"][:, kind]
                    + ends[last] @ weights["end_edges.weight"][:, kind]
                    + weights["end_edges.bias"][kind]
                    for kind in range(TYPES + 1)
                ]
                expected = [score - scores[0] for score in scores[1:]]
                assert found[row, :, first, last] == pytest.approx(expected, abs=1e-3, rel=1e-4)


SPANS = [[(1, 2, 0), (1, 3, 0), (2, 2, 2)], [(0, 0, 1)]]
"""Gold of two texts, of which the second has three tokens: spans within each other, and one of a single token."""
LENGTHS = (TOKENS, 3)


def given(seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, mask and labels of the two texts."""
    scores = np.random.default_rng(seed).normal(size=(2, TYPES, TOKENS, TOKENS)).astype("float32")
    mask = (np.arange(TOKENS) < np.array(LENGTHS)[:, None]).astype("float32")
    labels = np.full((2, 3, 3), -100)
    for row, spans in enumerate(SPANS):
        labels[row, : len(spans)] = spans
    return scores, mask, labels


def summed_loss(scorer: str) -> float:
    scores, mask, labels = given()
    masked = mask_spans(paddle.to_tensor(scores), paddle.to_tensor(mask))
    return float(SCORERS[scorer].sum_losses(masked, gold_cells(paddle.to_tensor(labels), masked.shape)))


def test_the_circle_loss_of_each_text_is_the_mean_over_types():
    """log(1 + Σ exp(s)) over what is no gold span, and log(1 + Σ exp(-s)) over the gold ones."""
    scores, _, _ = given()
    total = 0.0
    for row, (length, gold) in enumerate(zip(LENGTHS, SPANS, strict=True)):
        for kind in range(TYPES):
            others = wanted = 1.0
            for start in range(length):
                for end in range(start, length):
                    score = float(scores[row, kind, start, end])
                    if (start, end, kind) in gold:
                        wanted += math.exp(-score)
                    else:
                        others += math.exp(score)
            total += (math.log(others) + math.log(wanted)) / TYPES
    assert summed_loss("global_pointer") == pytest.approx(total, rel=1e-5)


def test_the_loss_of_biaffine_is_the_cross_entropy_of_every_span():
    scores, _, _ = given()
    total = 0.0
    for row, (length, gold) in enumerate(zip(LENGTHS, SPANS, strict=True)):
        for start in range(length):
            for end in range(start, length):
                logits = [0.0, *scores[row, :, start, end].astype("float64")]
                kind = next((1 + kind for one, other, kind in gold if (one, other) == (start, end)), 0)
                total += math.log(sum(map(math.exp, logits))) - logits[kind]
    assert summed_loss("biaffine") == pytest.approx(total, rel=1e-5)


def test_the_gold_probability_of_a_span_of_two_types_is_divided():
    scores = paddle.to_tensor(np.array([0.5, -1.0], "float32").reshape(1, 2, 1, 1))
    gold = gold_cells(paddle.to_tensor([[[0, 0, 0], [0, 0, 1]]]), scores.shape)
    expected = math.log(1 + math.exp(0.5) + math.exp(-1)) - (0.5 - 1.0) / 2
    assert float(SCORERS["biaffine"].sum_losses(scores, gold)) == pytest.approx(expected)


def test_a_gold_span_twice_is_one_and_one_without_a_type_is_none():
    labels = paddle.to_tensor([[[0, 1, 1], [0, 1, 1], [-100, -100, -100], [0, 1, -100]]])
    gold = gold_cells(labels, [1, 2, 3, 3]).numpy()
    assert gold.sum() == gold[0, 1, 0, 1] == 1


def test_what_is_no_span_is_masked_and_has_no_gradient():
    scores, mask, labels = given()
    for scorer in SCORERS.values():
        free = paddle.to_tensor(scores, stop_gradient=False)
        masked = mask_spans(free, paddle.to_tensor(mask))
        scorer.sum_losses(masked, gold_cells(paddle.to_tensor(labels), masked.shape)).backward()
        inside = np.triu(mask[:, :, None] * mask[:, None, :])[:, None] > 0
        inside = np.broadcast_to(inside, scores.shape)
        assert (masked.numpy()[~inside] < MASKED / 2).all()
        assert np.array_equal(masked.numpy()[inside], scores[inside])
        assert np.abs(free.grad.numpy()[~inside]).max() < 1e-30
        assert free.grad.numpy()[inside].all()


def test_the_circle_loss_survives_large_scores_and_vanishes_where_all_is_right():
    gold = paddle.to_tensor([[1.0, 0.0, 0.0]])
    assert float(circle_losses(paddle.to_tensor([[200.0, -200.0, -300.0]]), gold).sum()) == 0.0
    assert float(circle_losses(paddle.to_tensor([[-1000.0, 500.0, 0.0]]), gold).sum()) == pytest.approx(1500.0)
    assert float(circle_losses(paddle.to_tensor([[-5.0, -5.0, -5.0]]), 0 * gold).sum()) == pytest.approx(
        math.log(1 + 3 * math.exp(-5)), rel=1e-4
    )


def test_global_pointer_turns_pairs_of_numbers():
    with pytest.raises(ValidationError, match="span_head_size must be even with `span_scorer: global_pointer`"):
        SpanScorerFields(span_head_size=5)
    assert SpanScorerFields(span_head_size=5, span_scorer="biaffine").span_head_size == 5
