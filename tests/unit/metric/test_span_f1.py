"""Span precision, recall and F1 by hand and against seqeval's default mode."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.metric import METRICS

TAG = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-地名", "I-地名", "E-LOC", "S-PER", "B-a-b", "I-a-b"])
PAIRS = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=10), min_size=1, max_size=6)


def span_f1(predicted: list[list[str]], gold: list[list[str]]) -> dict[str, float]:
    return METRICS["span_f1"]([{"labels": tags} for tags in predicted], [{"labels": tags} for tags in gold])


def test_a_span_is_right_when_type_and_both_ends_are():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    predicted = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "I-LOC"]]

    # Right: PER 0–2. Found: PER 0–2, PER 3–4, LOC 0–2. Wanted: PER 0–2, LOC 3–4, LOC 0–1.
    assert span_f1(predicted, gold) == pytest.approx({"span_precision": 1 / 3, "span_recall": 1 / 3, "span_f1": 1 / 3})


def test_an_inside_tag_without_a_beginning_starts_a_span():
    assert span_f1([["I-LOC", "I-LOC"]], [["B-LOC", "I-LOC"]])["span_f1"] == 1.0


def test_spans_do_not_reach_over_sentences():
    assert span_f1([["B-PER"], ["I-PER"]], [["B-PER"], ["B-PER"]])["span_f1"] == 1.0


def test_no_spans_anywhere_give_zero():
    assert span_f1([["O"]], [["O"]]) == {"span_precision": 0.0, "span_recall": 0.0, "span_f1": 0.0}


@settings(deadline=None)
@given(PAIRS)
def test_equals_seqeval(sentences: list[list[tuple[str, str]]]):
    seqeval = pytest.importorskip("seqeval.metrics")
    predicted = [[one for one, _ in sentence] for sentence in sentences]
    gold = [[other for _, other in sentence] for sentence in sentences]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval's own, about sentences without spans
        expected = {
            "span_precision": seqeval.precision_score(gold, predicted),
            "span_recall": seqeval.recall_score(gold, predicted),
            "span_f1": seqeval.f1_score(gold, predicted),
        }
    assert span_f1(predicted, gold) == pytest.approx(expected)
