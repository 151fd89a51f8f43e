"""Spans of BIO tags by hand and against seqeval."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.data.spans import Span, spans_of

TAG = st.sampled_from(["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-地名", "I-地名", "I-a-b", "B", "I"])


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ([], []),
        (["O", "O"], []),
        (["B-PER", "I-PER", "O"], [Span(0, 2, "PER")]),
        (["B-PER", "B-PER"], [Span(0, 1, "PER"), Span(1, 2, "PER")]),
        (["O", "I-LOC", "I-LOC"], [Span(1, 3, "LOC")]),
        (["B-PER", "I-LOC"], [Span(0, 1, "PER"), Span(1, 2, "LOC")]),
        (["B-地名", "I-地名", "I-地名"], [Span(0, 3, "地名")]),
        (["B-fromloc.city_name", "I-fromloc.city_name"], [Span(0, 2, "fromloc.city_name")]),
        (["B-a-b", "I-a-b"], [Span(0, 2, "a-b")]),
    ],
)
def test_spans(tags: list[str], spans: list[Span]):
    assert spans_of(tags) == spans


@settings(deadline=None)
@given(st.lists(TAG, max_size=12))
def test_equals_seqeval(tags: list[str]):
    labelling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [(kind, first, last) for kind, first, last in labelling.get_entities(tags)]

    assert [(span.type, span.start, span.end - 1) for span in spans_of(tags)] == expected
