"""Rows of requests; what a client may send is in tests/integration/test_serve.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette", reason='needs the extra serve: pip install "paddle-palm[serve]"')

from palm.inference.serving.errors import HttpError
from palm.inference.serving.exchange import parse_object
from palm.inference.serving.request_rows import check_rows, estimate_tokens, text_of
from palm.inference.serving.settings import RequestLimits

COLUMNS = {"text_a", "text_b", "choices"}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["text_a", "id", "x"]) | st.text(), inner),
    max_leaves=8,
)


def outcome(work):
    """The result, or the refusal."""
    try:
        return work(), None
    except HttpError as error:
        return None, error


@given(JSON)
def test_any_value_is_a_list_of_rows_or_refused(value):
    rows, refused = outcome(lambda: check_rows(value, COLUMNS, RequestLimits()))
    assert refused is None or (refused.status in (413, 422) and refused.body().decode("utf-8"))
    assert all(isinstance(row, str) or set(row) <= {*COLUMNS, "id"} for row in rows or ())


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_an_object_or_refused(body):
    found, refused = outcome(lambda: parse_object(body))
    assert isinstance(found, dict) if refused is None else refused.status == 400


def test_as_many_rows_as_may():
    limits = RequestLimits(rows=2, tokens=20)
    assert check_rows(["a", "b"], COLUMNS, limits) == ["a", "b"]
    with pytest.raises(HttpError, match="at most 2 rows"):
        check_rows(["a", "b", "c"], COLUMNS, limits)
    with pytest.raises(HttpError, match="about 20 tokens"):
        check_rows(["鱼" * 18, "b"], COLUMNS, limits)


def test_tokens_are_estimated_by_bytes():
    assert estimate_tokens("鱼" * 30) == 30 + 1 + 3
    assert estimate_tokens({"text_a": "abc" * 10, "id": "x" * 900}) == 10 + 1 + 3
    # The text stands beside each of its candidates.
    assert estimate_tokens({"text_a": "abc" * 10, "choices": ["abc", "abc", "abc"]}) == 11 * 3 + 2 * 3 + 3


def test_texts_in_the_order_of_columns():
    assert text_of("x", ["text_a"]) == ["x"]
    assert text_of({"text_b": "b", "text_a": "a", "choices": ["c"]}, ["text_a", "text_b", "choices"]) == ["a", "b"]
