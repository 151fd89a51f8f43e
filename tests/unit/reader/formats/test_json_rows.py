"""Rows are JSON objects: one per line, in a list, or in a list in an object; each knows the line where it starts."""

import json
import tracemalloc
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.errors import DataError
from palm.reader.formats import files, json_rows
from palm.reader.formats.files import FileProblems
from palm.reader.formats.json_rows import json_form, read_json

ROWS = [{"label": "x", "text_a": "a room"}, {"label": "y", "text_a": "我爱\n北京"}]


def rows_of(file):
    problems = FileProblems(file)
    found = list(read_json(file, "utf-8", problems, ["label", "text_a"]))
    problems.raise_all()
    return found


@pytest.mark.parametrize(
    ("text", "lines", "form"),
    [
        ("\n".join(map(json.dumps, ROWS)), [1, 2], "one JSON object per line"),
        (json.dumps(ROWS), [1, 1], "a list of JSON objects"),
        (json.dumps(ROWS, indent=2), [2, 6], "a list of JSON objects"),
        ("\n[" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n", [2, 3], "a list of JSON objects"),
        (json.dumps({"data": ROWS}), [1, 1], "a list of JSON objects in `data`"),
        (json.dumps({"version": [1], "data": ROWS}, indent=1), [6, 10], "a list of JSON objects in `data`"),
        (json.dumps({"n": 2, "examples": ROWS}), [1, 1], "a list of JSON objects in `examples`"),
        (json.dumps({"data": ROWS, "other": ROWS[:1]}), [1, 1], "a list of JSON objects in `data`"),
        ("\ufeff" + json.dumps(ROWS, ensure_ascii=False), [1, 1], "a list of JSON objects"),
    ],
)
def test_where_rows_stand(write, text, lines, form):
    file = write("x.json", text)
    assert rows_of(file) == list(zip(lines, ROWS, strict=True))
    assert str(json_form(file, "utf-8", ["label", "text_a"])) == form


def test_a_single_line_with_the_columns_is_a_row_whatever_else_it_has(write):
    row = {"label": "x", "text_a": "a", "data": [{"b": 1}]}
    assert rows_of(write("x.json", json.dumps(row))) == [(1, row)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"label": 1},\n {"label": 2]', "x.json:2: the file must be JSON, found invalid JSON: Expecting ','"),
        ('[{"label": 1},\n 5]', "x.json:2: an item of the list must be a JSON object, found a number `5`."),
        ('{\n"label": {"0": 1}}', "x.json: the file must be a list of JSON objects, or an object with one in `data`, "
         'found only `label`. Write one object per row; pandas does with orient="records", lines=True.'),
        ('{"a": [{"b": 1}], "c": [{"d": 2}]}', "found lists in `a`, `c`."),
        ("[\n" + "[" * 100_000, "x.json: the file must be JSON, found one that Python cannot read: maximum recursion"),
        ("[1]\n[2]", "x.json:2: a line must be a JSON object, found a list `[2]`."),
    ],
)  # fmt: skip
def test_what_is_refused(write, text, message):
    with pytest.raises(DataError) as caught:
        rows_of(write("x.json", text))
    assert message in str(caught.value)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


@given(
    st.lists(st.dictionaries(st.text(), VALUE, max_size=3), min_size=1, max_size=5),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.sampled_from([1, 5, 1 << 16]),
)
def test_lists_that_are_written_are_read_back(tmp_path_factory, rows, indent, is_wrapped, chunk):
    file = tmp_path_factory.mktemp("json") / "x.json"
    file.write_text(json.dumps({"v": {}, "data": rows} if is_wrapped else rows, indent=indent), encoding="utf-8")
    with patch.object(json_rows, "_CHUNK", chunk):
        assert [row for _, row in rows_of(file)] == rows


@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 16])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('\n[{"a": 1},\n {"a": 2},\n {"a" 3}]', r"x\.json:4: .*Expecting ':' delimiter \(column 7\)"),
        ('[{"a": 1}\n {"a": 2}]', r"x\.json:2: .*Expecting ',' delimiter \(column 2\)"),
        ('[{"a": 1}] {}', r"x\.json:1: .*Extra data \(column 12\)"),
        ('[{"a": 1},\n {"a": "我', r"x\.json:2: .*Unterminated string"),
        ('[{"a": 1},\n ]', r"x\.json:[12]: .*found invalid JSON"),
        ('[{"a": 1}', r"x\.json:1: .*Expecting ',' delimiter"),
        ('[{"a": 1},\n12,\n {"a": 1}]', r"x\.json:2: .*found a number `12`"),
    ],
)
def test_what_is_wrong_in_a_list_is_named_with_its_place(write, text, message, chunk, monkeypatch):
    monkeypatch.setattr(json_rows, "_CHUNK", chunk)
    with pytest.raises(DataError, match=f"(?s){message}"):
        rows_of(write("x.json", text))


@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_is_not_in_memory_as_a_whole(write, indent, monkeypatch):
    rows = [{"label": "x", "text_a": f"{number} " + "a" * 5000} for number in range(600)]
    file = write("x.json", json.dumps(rows, indent=indent))
    monkeypatch.setattr(files, "_BLOCK", 1 << 16)
    tracemalloc.start()
    found = sum(1 for _ in read_json(file, "utf-8", FileProblems(file), ["label", "text_a"]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == len(rows)
    assert peak < 1 << 20, "of 3 MB"
