"""Every row of a tsv or jsonl file is read right or refused with file and line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.errors import DataError
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.match import MatchingReader, MatchingReaderConfig


@pytest.fixture
def read(tokenizer):
    def read_file(path, phase="train", **keys):
        return ClassificationReader(ClassificationReaderConfig(**keys), tokenizer).read(path, phase)

    return read_file


def test_tsv(read, write):
    records = read(write("x.tsv", "label\ttext_a\n1\tthe cat\n0\t我爱北京\n"))
    assert records == [
        {"line": 2, "label": "1", "text_a": "the cat"},
        {"line": 3, "label": "0", "text_a": "我爱北京"},
    ]


def test_columns_in_any_order_beside_others(read, write):
    records = read(write("x.tsv", "id\ttext_a\tlabel\tnote\n7\tthe cat\tgood\t\n"))
    assert records == [{"line": 2, "label": "good", "text_a": "the cat"}]


@pytest.mark.parametrize("columns", [{"text_a": "sentence 1", "label": "gold"}, " text_a=sentence 1, label=gold"])
def test_columns_may_have_other_names(read, write, columns):
    records = read(write("x.tsv", "gold\tsentence 1\n1\tthe cat\n"), columns=columns)
    assert records == [{"line": 2, "label": "1", "text_a": "the cat"}]


def test_a_column_that_the_reader_does_not_have():
    with pytest.raises(
        ValueError, match=r"columns of this reader are label, text_a, found `text_b`\. Did you mean `text_a`\?"
    ):
        ClassificationReaderConfig(columns="text_b=x")
    with pytest.raises(ValueError, match="pairs such as"):
        ClassificationReaderConfig(columns="sentence1")


def test_a_format_that_the_reader_does_not_have():
    with pytest.raises(ValueError, match="this reader takes auto, tsv, csv, jsonl, json, found `conll`"):
        ClassificationReaderConfig(file_format="conll")


def test_quotes_are_plain_characters(read, write):
    text = '"unbalanced, ""twice"" and \'so'
    assert read(write("x.tsv", f'label\ttext_a\n1\t{text}\n"0"\t"a\n'))[0]["text_a"] == text
    assert read(write("x.tsv", f'label\ttext_a\n1\t{text}\n"0"\t"a\n'))[1] == {
        "line": 3,
        "label": '"0"',
        "text_a": '"a',
    }


def test_line_separators_of_unicode_do_not_split_a_row(read, write):
    records = read(write("x.tsv", "label\ttext_a\r\n1\ta\u2028b\x0bc\x85d\r\n"))
    assert records == [{"line": 2, "label": "1", "text_a": "a\u2028b\x0bc\x85d"}]


def test_bom_crlf_and_a_blank_line_at_the_end(read, write):
    records = read(write("x.tsv", b"\xef\xbb\xbflabel\ttext_a\r\n1\tthe cat\r\n\r\n"))
    assert records == [{"line": 2, "label": "1", "text_a": "the cat"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "label\ttext_a\n1\ta\n1\tthe\tcat\n",
            "x.tsv:3: expected 2 columns (label, text_a), found 3. Remove the extra tab.",
        ),
        ("label\ttext_a\n1 a\n", "x.tsv:2: expected 2 columns (label, text_a), found 1. Add what is missing"),
        ("label\ttext_a\n\n1\ta\n", "x.tsv:2: a line must contain one example, found a blank line. Remove it."),
        ("label\ttext_a\n1\ta\n  \n1\ta\n", "x.tsv:3: a line must contain one example, found a blank line. Remove it."),
        ("label\ttext_a\n\ta\n", "x.tsv:2: `label` must contain a label, found it empty."),
        ("label\ttext_a\n1\t\n", "x.tsv:2: `text_a` must contain text, found it empty. Fill it in"),
        ("label\ttext_a\n1\t \u3000\n", "x.tsv:2: `text_a` must contain text, found it empty."),
        (
            "1\tthe cat sat\n0\ta\n",
            "x.tsv:1: the first row must name the columns, expected label, text_a, found `1\\tthe cat sat`. "
            "Add a header row",
        ),
        (
            "label,text_a\n1,a\n",
            "x.tsv:1: the first row must name the columns, expected label, text_a, found `label,text_a`.",
        ),
        ("label\ttext\n1\ta\n", "or set `columns` to the file's names of text_a."),
        ("label\rtext_a\r1\ra\r", "x.tsv:1: the first row must name the columns"),
        (
            "label\ttext_a\tlabel\n1\ta\t0\n",
            "x.tsv:1: a column must occur once in the header row, found `label` twice.",
        ),
        ("label\ttext_a\n", "x.tsv: a data file must contain examples, found only a header row."),
    ],
)
def test_what_a_tsv_must_not_hold(read, write, content, message):
    with pytest.raises(DataError) as caught:
        read(write("x.tsv", content))
    assert message in str(caught.value)


def test_all_problems_come_at_once(read, write):
    with pytest.raises(DataError) as caught:
        read(write("x.tsv", "label\ttext_a\n1\n\ta\n1\tb\n0\t\n"))
    assert [problem.where.rpartition(":")[2] for problem in caught.value.problems] == ["2", "3", "5"]


def test_predicting_needs_no_gold_and_keeps_empty_texts(read, write):
    records = read(write("x.tsv", "text_a\nthe cat\n\n \nsat\n"), "predict")
    assert [record["text_a"] for record in records] == ["the cat", "", " ", "sat"]
    assert "label" not in records[0]


def test_predicting_keeps_gold_that_is_there(read, write):
    records = read(write("x.tsv", "label\ttext_a\n1\tthe cat\n\t\n"), "predict")
    assert records == [{"line": 2, "label": "1", "text_a": "the cat"}, {"line": 3, "label": "", "text_a": ""}]


def test_evaluation_needs_gold(read, write):
    with pytest.raises(DataError, match="expected label, text_a, found `text_a`"):
        read(write("x.tsv", "text_a\nthe cat\n"), "eval")


# Whatever a tsv can hold: no tab, no line feed, no carriage return at the end of a row, no NUL.
CELL = st.text(st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]), max_size=20).filter(str.strip)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_rows_that_are_written_are_read_back(tmp_path_factory, tokenizer, rows, end, bom):
    path = tmp_path_factory.mktemp("tsv") / "x.tsv"
    lines = ["label\ttext_a\ttext_b", *("\t".join(row) for row in rows)]
    path.write_bytes(b"\xef\xbb\xbf" * bom + (end.join(lines) + end).encode())
    records = MatchingReader(MatchingReaderConfig(), tokenizer).read(path, "train")
    found = [(record["label"], record["text_a"], record["text_b"]) for record in records]
    assert found == [(label.strip(), first, second) for label, first, second in rows]
    assert [record["line"] for record in records] == list(range(2, len(rows) + 2))


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8), st.booleans())
def test_objects_that_are_written_are_read_back(tmp_path_factory, tokenizer, rows, ascii_only):
    path = tmp_path_factory.mktemp("jsonl") / "x.jsonl"
    lines = [json.dumps({"label": label, "text_a": text}, ensure_ascii=ascii_only) for label, text in rows]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    records = ClassificationReader(ClassificationReaderConfig(), tokenizer).read(path, "train")
    assert [(record["label"], record["text_a"]) for record in records] == [
        (label.strip(), text) for label, text in rows
    ]


def test_jsonl_takes_numbers_as_labels(read, write):
    lines = '{"label": 3, "text_a": "a", "x": [1]}\n{"text_a": "b\\n\\tc", "label": "good"}\n'
    assert read(write("x.json", lines)) == [
        {"line": 1, "label": "3", "text_a": "a"},
        {"line": 2, "label": "good", "text_a": "b\n\tc"},
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"label": 1, "text_a": "a"',
            "x.jsonl:2: a line must be a JSON object, found invalid JSON: Expecting ',' delimiter (column 27).",
        ),
        ("[1, 2]", "x.jsonl:2: a line must be a JSON object, found a list `[1, 2]`."),
        ("", "x.jsonl:2: a line must contain one example, found a blank line."),
        ('{"label": 1}', "x.jsonl:2: expected the fields label, text_a, missing: text_a (found label)."),
        ('{"label": 1, "text_a": 5}', "x.jsonl:2: `text_a` must be a string, found a number `5`. Write it in quotes."),
        ('{"label": 1, "text_a": null}', "x.jsonl:2: `text_a` must contain text, found null. Fill it in"),
        (
            '{"label": 1.5, "text_a": "a"}',
            "x.jsonl:2: `label` must be a string, a whole number, true or false, found a number `1.5`.",
        ),
        (
            '{"label": [true], "text_a": "a"}',
            "x.jsonl:2: `label` must be a string, a whole number, true or false, found a list `[True]`.",
        ),
        ('{"label": "", "text_a": "a"}', "x.jsonl:2: `label` must contain a label, found it empty."),
        ('{"label": 1, "text_a": ""}', "x.jsonl:2: `text_a` must contain text, found it empty."),
        (
            '{"label": 1, "text_a": "\\ud83d"}',
            "x.jsonl:2: `text_a` must be Unicode text, found half of a surrogate pair in `\\ud83d`.",
        ),
        (
            '{"label": ' + "1" * 5000 + "}",
            "x.jsonl:2: a line must be a JSON object, found invalid JSON: Exceeds the limit",
        ),
        ("[" * 100_000, "x.jsonl:2: a line must be a JSON object, found invalid JSON"),
    ],
)
def test_what_a_jsonl_must_not_hold(read, write, line, message):
    good = '{"label": 1, "text_a": "a"}'
    with pytest.raises(DataError) as caught:
        read(write("x.jsonl", f"{good}\n{line}\n{good}\n"))
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_a_whole_emoji_may_be_escaped(read, write):
    assert read(write("x.jsonl", '{"label": 1, "text_a": "\\ud83d\\ude00"}'))[0]["text_a"] == "😀"


def test_file_format_wins_over_the_ending(read, write):
    assert len(read(write("x.txt", '{"label": 1, "text_a": "a"}'), file_format="jsonl")) == 1
    assert len(read(write("x.jsonl", "label\ttext_a\n1\ta\n"), file_format="tsv")) == 1
