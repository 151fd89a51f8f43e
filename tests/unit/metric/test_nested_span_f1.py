"""F1 of spans within spans, against scikit-learn and by hand."""

import numpy as np
import pytest

from palm.metric import METRICS


def row(*spans: tuple[int, int, str]) -> dict[str, object]:
    return {"spans": [{"start": start, "end": end, "type": kind} for start, end, kind in spans]}


def test_a_span_is_right_when_both_ends_and_the_type_are():
    gold = [row((0, 4, "地点"), (0, 2, "地点"), (6, 9, "人")), row((1, 3, "人"))]
    predicted = [row((0, 4, "地点"), (0, 2, "人"), (6, 8, "人")), row((1, 3, "人"))]
    # Right: 2 of 4 predicted and of 4 gold; places 1 of (1 predicted, 2 gold), persons 1 of (3, 2).
    assert METRICS["nested_span_f1"](predicted, gold) == {
        "span_f1": 0.5,
        "span_precision": 0.5,
        "span_recall": 0.5,
        "span_macro_f1": pytest.approx((2 / 3 + 2 / 5) / 2),
    }


def test_nothing_found_and_nothing_to_find():
    zeros = dict.fromkeys(("span_f1", "span_precision", "span_recall", "span_macro_f1"), 0.0)
    assert METRICS["nested_span_f1"]([row()], [row()]) == zeros
    assert METRICS["nested_span_f1"]([row()], [row((0, 1, "x"))]) == zeros


def test_the_same_span_twice_counts_once_and_rows_are_apart():
    gold = [row((0, 1, "x")), row((0, 1, "x"))]
    scores = METRICS["nested_span_f1"]([row((0, 1, "x"), (0, 1, "x")), row()], gold)
    assert (scores["span_precision"], scores["span_recall"]) == (1.0, 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_scikit_learns(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(seed)
    sides = []
    for _ in range(2):
        cells = [[(int(s), int(s + n), str(k)) for s, n, k in generator.integers([0, 1, 0], [4, 4, 3], (6, 3))]]
        sides.append([row(*spans) for spans in cells])
    wanted, found = ({(s["start"], s["end"], s["type"]) for s in side[0]["spans"]} for side in sides)
    items = sorted(wanted | found)
    gold, predicted = ([item[2] if item in side else "" for item in items] for side in (wanted, found))
    types = sorted({item[2] for item in items})
    scores = METRICS["nested_span_f1"](sides[1], sides[0])
    micro, macro = (
        metrics.f1_score(gold, predicted, labels=types, average=how, zero_division=0) for how in ("micro", "macro")
    )
    assert (scores["span_f1"], scores["span_macro_f1"]) == (pytest.approx(micro), pytest.approx(macro))


def test_a_relation_is_right_when_its_type_and_both_spans_are():
    def related(spans, *relations):
        return {**row(*spans), "relations": [{"head": h, "tail": t, "type": kind} for h, t, kind in relations]}

    people = [(0, 2, "人"), (5, 7, "地点"), (8, 9, "人")]
    gold = [related(people, (0, 1, "位于"), (2, 1, "位于")), row((0, 1, "x"))]
    # The spans in another order; one relation the other way round; one with a span of another type.
    predicted = [
        related([people[2], people[1], people[0], (5, 7, "人")], (2, 1, "位于"), (1, 0, "位于"), (0, 3, "位于")),
        related([(0, 1, "x")]),
    ]
    assert METRICS["relation_f1"](predicted, gold) == {
        "relation_f1": pytest.approx(2 / 5), "relation_precision": pytest.approx(1 / 3), "relation_recall": 0.5,
    }  # fmt: skip
    assert METRICS["relation_f1"]([row()], [row()])["relation_f1"] == 0.0
