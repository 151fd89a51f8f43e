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
    # Of six words O, PER and the I are wrong: four are right.
    assert span_f1(predicted, gold) == pytest.approx(
        {"span_precision": 1 / 3, "span_recall": 1 / 3, "span_f1": 1 / 3, "token_accuracy": 4 / 6}
    )


def test_an_inside_tag_without_a_beginning_starts_a_span():
    assert span_f1([["I-LOC", "I-LOC"]], [["B-LOC", "I-LOC"]])["span_f1"] == 1.0


def test_spans_do_not_reach_over_sentences():
    assert span_f1([["B-PER"], ["I-PER"]], [["B-PER"], ["B-PER"]])["span_f1"] == 1.0


def test_no_spans_anywhere_give_zero():
    assert span_f1([["O"]], [["O"]]) == {
        "span_f1": 0.0,
        "span_precision": 0.0,
        "span_recall": 0.0,
        "token_accuracy": 1.0,
    }


def row(labels: str, *spans: tuple[int, int, str]) -> dict[str, object]:
    return {"labels": labels.split(), "spans": [{"start": one, "end": two, "type": kind} for one, two, kind in spans]}


def test_listed_spans_count_whatever_the_tags_look_like():
    gold = row("U-PER U-PER O", (0, 1, "PER"), (1, 2, "PER"))
    scores = METRICS["span_f1"]([row("U-PER O O", (0, 1, "PER"))], [gold])

    assert scores == pytest.approx(
        {"span_f1": 2 / 3, "span_precision": 1.0, "span_recall": 1 / 2, "token_accuracy": 2 / 3}
    )


def test_tags_that_mark_no_spans_have_token_accuracy_alone():
    records = [{"labels": ["DET", "NOUN"], "spans": None}]

    assert METRICS["span_f1"]([row("DET VERB")], records) == {"token_accuracy": 0.5}
    assert METRICS["token_accuracy"]([row("DET VERB")], records) == {"token_accuracy": 0.5}


def test_a_word_that_has_no_tag_is_wrong():
    assert METRICS["token_accuracy"]([{"labels": ["O"]}], [{"labels": ["O", "O"]}]) == {"token_accuracy": 0.5}
    assert METRICS["token_accuracy"]([], []) == {"token_accuracy": 0.0}


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
            "token_accuracy": seqeval.accuracy_score(gold, predicted),
        }
    assert span_f1(predicted, gold) == pytest.approx(expected)
