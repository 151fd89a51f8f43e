"""Relations between spans: scores in training and in prediction against the formula, pair by pair."""

import math

import numpy as np
import paddle
import pytest

from palm.data.dataset import LabelMap
from palm.paradigm.nested_spans import SpanWindow, merge_relations, merge_windows
from palm.paradigm.span_relations import OUTPUTS, best_pairs, score_gold_pairs, score_pairs
from palm.paradigm.span_scorers import MASKED
from palm.paradigm.spans import NestedSpans
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
LABELS = LabelMap(("人", "地点"), relations=("位于", "works for", "属于"))
SIZE, TYPES, RELATIONS, TOKENS = 4, 2, 3, 6


def drawn(seed: int = 2) -> dict[str, np.ndarray]:
    """Features of two texts, and weights."""
    generator = np.random.default_rng(seed)
    shapes = ((2, TOKENS, 4 * SIZE), (TYPES, 2 * SIZE), (SIZE + 1, RELATIONS * (SIZE + 1)))
    return {name: generator.normal(size=shape).astype("float32") for name, shape in zip(OUTPUTS, shapes, strict=True)}


def expected(outputs: dict[str, np.ndarray], row: int, one: tuple[int, int, int], other: tuple[int, int, int]) -> list:
    """h U t of each relation, term by term, with h and t of the first span as head and the second as tail."""
    found, types, weights = (outputs[name].astype("float64") for name in OUTPUTS)
    vectors = []
    for first, last, kind in (one, other):
        parts = zip(found[row][first][: 2 * SIZE], found[row][last][2 * SIZE :], types[kind], strict=True)
        vectors.append([math.tanh(sum(part)) for part in parts])
    head, tail = [*vectors[0][:SIZE], 1.0], [*vectors[1][SIZE:], 1.0]
    cube = weights.reshape(SIZE + 1, RELATIONS, SIZE + 1)
    places = range(SIZE + 1)
    return [sum(head[i] * cube[i, r, j] * tail[j] for i in places for j in places) for r in range(RELATIONS)]


SPANS = [[(1, 2, 0), (1, 4, 1), (3, 3, 0)], [(2, 4, 1)]]


def test_gold_pairs_have_the_scores_of_the_formula_and_the_rest_is_masked():
    outputs = drawn()
    labels = np.full((2, 3, 3), -100)
    for row, spans in enumerate(SPANS):
        labels[row, : len(spans)] = spans
    tensors = {name: paddle.to_tensor(array) for name, array in outputs.items()}
    scores = score_gold_pairs(tensors, paddle.to_tensor(labels)).numpy()
    assert scores.shape == (2, RELATIONS, 3, 3)
    for row, spans in enumerate(SPANS):
        for head in range(3):
            for tail in range(3):
                if head == tail or max(head, tail) >= len(spans):
                    assert (scores[row, :, head, tail] < MASKED / 2).all()
                else:
                    wanted = expected(outputs, row, spans[head], spans[tail])
                    assert scores[row, :, head, tail] == pytest.approx(wanted, abs=1e-4)


def test_predicted_pairs_have_the_same_scores():
    outputs = drawn()
    starts, ends, types = (np.array([span[part] for span in SPANS[0]]) for part in range(3))
    own = {name: array[0] if name == OUTPUTS[0] else array for name, array in outputs.items()}
    scores = score_pairs(own, {"starts": starts, "ends": ends, "types": types})
    for head in range(3):
        for tail in range(3):
            assert scores[:, head, tail] == pytest.approx(
                expected(outputs, 0, SPANS[0][head], SPANS[0][tail]), abs=1e-4
            )
    nothing = {name: np.zeros(0, "int64") for name in ("starts", "ends", "types")}
    assert score_pairs(own, nothing).shape == (RELATIONS, 0, 0)


@pytest.mark.parametrize("is_exclusive", [False, True])
def test_the_best_pairs(is_exclusive):
    scores = np.random.default_rng(3).normal(size=(RELATIONS, 5, 5))
    found = best_pairs(scores, 8, is_exclusive=is_exclusive)
    cells = {
        (i, j, r): scores[r, i, j]
        for r in range(RELATIONS) for i in range(5) for j in range(5)
        if i != j and scores[r, i, j] > 0 and (not is_exclusive or scores[r, i, j] == scores[:, i, j].max())
    }  # fmt: skip
    best = set(sorted(cells, key=lambda cell: -cells[cell])[:8])
    assert set(zip(*(found[name].tolist() for name in ("heads", "tails", "relations")), strict=True)) == best


def window(first: int, spans: list[tuple[int, int]], relations: list[tuple[int, int]]) -> SpanWindow:
    """Eight characters from `first` on; spans by characters of the text, one type; relations by their numbers."""
    place = np.arange(first, first + 8)
    columns = {
        "starts": [start - first + 1 for start, _ in spans], "ends": [end - first for _, end in spans],
        "types": [0] * len(spans), "heads": [head for head, _ in relations], "tails": [tail for _, tail in relations],
        "relations": [1] * len(relations),
    }  # fmt: skip
    found = {name: np.array(values, "int64") for name, values in columns.items()}
    found |= {"scores": np.ones(len(spans)), "relation_scores": np.full(len(relations), float(first + 1))}
    return SpanWindow(found, np.array([-1, *place, -1]), np.array([-1, *place + 1, -1]), first - 1)


def test_relations_over_windows_are_of_the_window_with_most_context():
    # Both windows hold the spans 4-6 and 6-8; around both the first has no further token, the second has none before.
    windows = [window(0, [(1, 2), (4, 6)], [(0, 1)]), window(4, [(6, 7), (8, 10)], [(1, 0)])]
    spans = merge_windows(windows, is_exclusive=False)
    assert [(span.start, span.end) for span in spans] == [(1, 2), (4, 6), (6, 7), (8, 10)]
    found = merge_relations(windows, spans)
    assert [(one.head, one.tail, one.type, one.logit) for one in found] == [(0, 1, 1, 1.0), (3, 2, 1, 5.0)]
    # A relation whose span is not predicted in the end is none.
    assert merge_relations(windows, spans[:1]) == []


@pytest.mark.parametrize("scorer", ["global_pointer", "biaffine"])
def test_the_head_with_relations(scorer):
    one = NestedSpans(NestedSpans.Config(span_scorer=scorer, span_head_size=6, dropout_prob=0.0), LABELS)
    layers = one.build_layers(BACKBONE)
    generator = np.random.default_rng(4)
    batch = {
        "encoder_outputs": generator.normal(size=(2, 6, 8)).astype("float32"),
        "input_mask": (np.arange(6) < np.array([6, 4])[:, None]).astype("float32"),
        "span_labels": np.array([[[1, 2, 0], [1, 4, 1]], [[1, 1, 1], [-100] * 3]]),
        "relation_labels": np.array([[[0, 1, 2]], [[-100] * 3]]),
    }
    assert {*one.reader_inputs("train"), *one.backbone_inputs()} == batch.keys()
    inputs = {name: paddle.to_tensor(array) for name, array in batch.items()}
    outputs = one.forward(layers, inputs, "train")
    assert outputs.keys() == one.outputs_attr("train").keys()
    loss = one.loss(outputs, inputs)
    loss.backward()
    assert all(np.abs(parameter.grad.numpy()).sum() > 0 for parameter in layers.parameters())
    other = one.loss(outputs, {**inputs, "relation_labels": paddle.to_tensor([[[1, 0, 2]], [[-100] * 3]])})
    assert float(other) != float(loss)
    parts = one.split({name: tensor.numpy() for name, tensor in outputs.items()}, batch)
    assert all(len(part["relations"]) <= length for part, length in zip(parts, (6, 4), strict=True))
    without = NestedSpans(NestedSpans.Config(span_scorer=scorer, span_head_size=6), LabelMap(LABELS.names))
    assert without.head_shape(BACKBONE) != one.head_shape(BACKBONE)
    assert one.default_metrics == (*without.default_metrics, "relation_f1")
