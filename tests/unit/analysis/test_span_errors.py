"""Errors of spans by kind, worked by hand after MUC-5 and SemEval-2013 task 9."""

from collections import Counter

import pytest

from palm.analysis.span_errors import SPAN_ERRORS, span_errors
from palm.data.spans import Span, spans_of

# 李雷在北京市上学: 李雷 PER 0-2, 北京市 LOC 3-6
PERSON, CITY = Span(0, 2, "PER"), Span(3, 6, "LOC")


@pytest.mark.parametrize(
    ("predicted", "kinds"),
    [
        ([PERSON, CITY], []),
        ([PERSON], ["missed"]),
        ([PERSON, CITY, Span(6, 8, "ORG")], ["spurious"]),
        ([PERSON, Span(3, 6, "ORG")], ["label"]),
        ([PERSON, Span(3, 5, "LOC")], ["boundary"]),
        ([PERSON, Span(3, 5, "ORG")], ["both"]),
        ([], ["missed", "missed"]),
        # One long span over both gold ones stands for the one with most common words.
        ([Span(0, 6, "LOC")], ["missed", "boundary"]),
        # Two predicted spans inside one gold one: the longer stands for it, the other is spurious.
        ([PERSON, Span(3, 4, "LOC"), Span(4, 6, "LOC")], ["spurious", "boundary"]),
        # The same words with another label are nearer than other words with the same label.
        ([PERSON, Span(3, 6, "ORG"), Span(5, 7, "LOC")], ["label", "spurious"]),
        # Neighbours without a common word have nothing to do with each other.
        ([PERSON, Span(6, 8, "LOC")], ["missed", "spurious"]),
    ],
)
def test_by_hand(predicted, kinds):
    assert [error.kind for error in span_errors([PERSON, CITY], predicted)] == kinds


def test_every_span_counts_once():
    gold = spans_of(["B-A", "I-A", "O", "B-B", "B-A", "O", "B-C"])
    predicted = spans_of(["B-A", "O", "B-B", "I-B", "B-B", "B-C", "I-C"])
    errors = span_errors(gold, predicted)
    right = len({*gold} & {*predicted})
    assert sum(error.gold is not None for error in errors) + right == len(gold)
    assert sum(error.predicted is not None for error in errors) + right == len(predicted)
    assert Counter(error.kind for error in errors).keys() <= {*SPAN_ERRORS}


def test_the_order_of_the_spans_changes_nothing():
    gold, predicted = [CITY, PERSON], [Span(4, 6, "LOC"), Span(0, 3, "ORG")]
    assert span_errors(gold, predicted) == span_errors(gold[::-1], predicted[::-1])
