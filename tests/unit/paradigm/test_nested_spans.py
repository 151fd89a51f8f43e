"""Spans of characters from scores: against a search over all cells, within each other, and over windows."""

import math

import numpy as np
import pytest

from palm.paradigm.nested_spans import ScoredSpan, SpanWindow, best_cells, merge_windows


def window(cells: dict[tuple[int, int, int], float], tokens: int, first: int = 0) -> SpanWindow:
    """A window with [CLS] and [SEP] whose tokens are characters; `first` is the number of the first of them."""
    starts, ends, types = (np.array([cell[part] for cell in cells], "int64") for part in range(3))
    found = {"starts": starts, "ends": ends, "types": types, "scores": np.array(list(cells.values()), "float32")}
    place = np.arange(first, first + tokens)
    return SpanWindow(found, np.array([-1, *place, -1]), np.array([-1, *place + 1, -1]), first - 1)


def spans(found: list[ScoredSpan]) -> list[tuple[int, int, int]]:
    return [(span.start, span.end, span.type) for span in found]


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 1.5])
@pytest.mark.parametrize("is_exclusive", [False, True])
def test_the_cells_above_the_threshold(threshold, is_exclusive):
    scores = np.random.default_rng(2).normal(size=(2, 9, 9)).astype("float32")
    scores[:, np.tril(np.ones((9, 9)), -1) > 0] = -1e9
    found = best_cells(scores, threshold, is_exclusive=is_exclusive)
    above = {
        (i, j, k): scores[k, i, j]
        for k in range(2) for i in range(9) for j in range(i, 9)
        if scores[k, i, j] > threshold and (not is_exclusive or scores[k, i, j] == scores[:, i, j].max())
    }  # fmt: skip
    best = sorted(above, key=lambda cell: -above[cell])[:9]
    table = zip(found["starts"].tolist(), found["ends"].tolist(), found["types"].tolist(), found["scores"], strict=True)
    assert {(i, j, k): score for i, j, k, score in table} == {cell: above[cell] for cell in best}
    assert len(found["starts"]) == min(len(above), 9)


def test_spans_may_lie_within_each_other_and_cross():
    cells = {(2, 3, 0): 1.0, (1, 4, 1): 2.0, (3, 5, 0): 0.5, (2, 3, 1): 0.25}
    assert spans(merge_windows([window(cells, 6)], is_exclusive=False)) == [
        (0, 4, 1), (1, 3, 0), (1, 3, 1), (2, 5, 0),
    ]  # fmt: skip


def test_of_spans_that_cross_biaffine_keeps_the_better_one():
    cells = {(2, 3, 0): 1.0, (1, 4, 1): 2.0, (3, 5, 0): 0.5, (5, 6, 0): 0.1}
    assert spans(merge_windows([window(cells, 6)], is_exclusive=True)) == [(0, 4, 1), (1, 3, 0), (4, 6, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_kept_of_crossing_spans_by_search(seed):
    """A span stays if and only if none that stays has a higher score and crosses it."""
    generator = np.random.default_rng(seed)
    cells = {}
    for start, length in generator.integers([1, 0], [7, 4], (8, 2)).tolist():
        cells[start, min(start + length, 7), 0] = float(generator.normal())
    kept = set(spans(merge_windows([window(cells, 7)], is_exclusive=True)))
    for (start, end, _), score in cells.items():
        better = {(i - 1, j, 0) for (i, j, _), other in cells.items() if other > score} & kept
        crossed = any(i < start - 1 < j < end or start - 1 < i < end < j for i, j, _ in better)
        assert ((start - 1, end, 0) in kept) == (not crossed)


def test_tokens_that_stand_for_no_character_have_no_span():
    assert merge_windows([window({(0, 1, 0): 3.0, (2, 4, 0): 3.0, (0, 4, 0): 9.0}, 3)], is_exclusive=False) == []


def test_of_windows_that_hold_a_span_the_one_with_more_context_decides():
    # Characters 0 to 7 and 4 to 11; the span 4 to 6 has context 2 at the end of the first, 0 at the start of the other.
    one, other = window({(5, 6, 0): 1.0}, 8), window({(1, 2, 0): 2.0, (1, 2, 1): 5.0, (5, 6, 0): 1.0}, 8, first=4)
    found = merge_windows([one, other], is_exclusive=False)
    assert spans(found) == [(4, 6, 0), (8, 10, 0)]
    assert found[0].logit == 1.0
    # Of equals the first decides; what only one window holds is its own.
    assert spans(merge_windows([window({}, 8), window({(2, 3, 0): 1.0}, 8, first=4)], is_exclusive=False)) == []
    assert spans(merge_windows([window({}, 8), window({(2, 6, 0): 1.0}, 8, first=4)], is_exclusive=False)) == [
        (5, 10, 0)
    ]


def test_a_score_is_the_logit_between_0_and_1():
    assert ScoredSpan(0, 1, 0, 0.0).score == 0.5
    assert ScoredSpan(0, 1, 0, 1.2).score == pytest.approx(1 / (1 + math.exp(-1.2)))
