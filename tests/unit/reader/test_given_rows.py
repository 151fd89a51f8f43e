"""Rows that a program hands over become the records of a file with these rows; what is wrong is named by row."""

import json

import pytest

from palm.errors import ConfigError, DataError
from palm.reader.base import READERS, Reader
from palm.reader.formats.sources import as_table
from palm.reader.loading import load_dataset, load_rows

ROWS = {
    "cls": [{"text_a": "the cat"}, {"text_a": "我爱北京"}, {"text_a": "", "label": "good", "more": 1}],
    "prompt": [{"text_a": "the cat"}, {"text_a": "我爱北京"}, {"text_a": "", "label": "good", "more": 1}],
    "match": [{"text_a": "the cat", "text_b": "sat"}, {"text_a": "你好", "text_b": ""}],
    "embed": [{"text_a": "the cat"}, {"text_a": "我爱北京"}, {"text_a": "", "label": "good", "more": 1}],
    "embed_pairs": [{"text_a": "the cat", "text_b": "sat"}, {"text_a": "你好", "text_b": ""}],
    "seq2seq": [{"text_a": "the cat"}, {"text_a": "我爱北京", "target": "the cat"}, {"text_a": ""}],
    "mlm": [{"text_a": "the [MASK] sat"}, {"text_a": "我[MASK]北京"}],
    "pairwise_match": [{"text_a": "the cat", "text_b": "sat"}, {"text_a": "你好", "text_b": ""}],
    "choice": [{"text_a": "the cat", "choices": ["sat", "mat", "film"]}, {"text_a": "我", "choices": "爱|北京"}],
    "rank": [{"text_a": "the cat", "choices": ["sat"]}, {"text_a": "我", "choices": "爱|北京"}],
    "seq_label": [{"text_a": "the cat"}, {"text_a": ["我", "爱 北京"]}, {"text_a": []}],
    "spans": [{"text_a": "the cat"}, {"text_a": "我爱北京", "label": [[0, 1, "x"]]}, {"text_a": ""}],
    "parse": [
        {"text_a": "the cat"},
        {"text_a": ["我", "爱 北京"], "heads": [2, 0], "label": ["a", "b"]},
        {"text_a": []},
    ],
}
QUESTIONS = [
    {"id": "a", "question": "who sat", "context": "the cat sat on the mat " * 9},
    {"id": "水", "question": "谁", "context": "我爱北京"},
]
ONE_TEXT = {"cls", "embed", "mlm", "parse", "prompt", "seq2seq", "seq_label", "spans"}
MRC_SIZES = {"max_seq_len": 16, "max_query_len": 4, "doc_stride": 4}


@pytest.fixture
def reader_of(tokenizer):
    def build(name: str, **keys) -> Reader:
        kind = READERS[name]
        return kind(kind.Config(**{**(MRC_SIZES if name == "mrc" else {}), **keys}), tokenizer)

    return build


def assert_same(found, wanted):
    assert list(found.records) == list(wanted.records)
    assert found.columns.keys() == wanted.columns.keys()
    for name, column in wanted.columns.items():
        for part in ("values", "offsets") if hasattr(column, "offsets") else ("dtype", "tolist"):
            one, other = getattr(found.columns[name], part), getattr(column, part)
            one, other = (one(), other()) if callable(one) else (one, other)
            assert (one == other) if part in ("dtype", "tolist") else (one.tolist() == other.tolist()), name


def test_every_built_in_reader_is_tried_here():
    assert {*ROWS, "mrc"} == {name for name in READERS if READERS[name].__module__.startswith("palm.")}


@pytest.mark.parametrize("name", ROWS)
def test_rows_give_the_data_set_of_a_file_with_these_rows(reader_of, write, name):
    file = write("x.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS[name]))
    found = load_rows(reader_of(name), ROWS[name], "predict")
    assert_same(found, load_dataset(reader_of(name), file, "predict"))
    assert found.file == "rows"


def test_questions_give_the_data_set_of_a_file_with_these_questions(reader_of, write):
    paragraphs = [
        {"context": one["context"], "qas": [{"id": one["id"], "question": one["question"]}]} for one in QUESTIONS
    ]
    article = {"paragraphs": paragraphs}
    wanted = load_dataset(reader_of("mrc"), write("x.json", json.dumps({"data": [article]})), "predict")
    assert wanted.num_examples > len(QUESTIONS)
    for rows in (QUESTIONS, paragraphs, [article], [QUESTIONS[0], paragraphs[1]]):
        assert_same(load_rows(reader_of("mrc"), rows, "predict"), wanted)


def test_questions_without_id_are_numbered_from_0(reader_of):
    rows = [{"question": "who", "context": "the cat"}] * 2
    assert [record["id"] for record in load_rows(reader_of("mrc"), rows, "predict").records] == ["0", "1"]


@pytest.mark.parametrize("name", sorted(ONE_TEXT))
def test_a_text_alone_is_a_row_of_a_reader_of_one_text(reader_of, name):
    text = "the [MASK] sat"
    assert_same(*(load_rows(reader_of(name), [row], "predict") for row in (text, {"text_a": text})))


@pytest.mark.parametrize("name", sorted({*ROWS, "mrc"} - ONE_TEXT))
def test_a_text_alone_is_refused_elsewhere(reader_of, name):
    with pytest.raises(
        DataError, match=r"rows\[0\].* a row must be a mapping with|`rows\[0\]` must be a mapping with"
    ) as caught:
        load_rows(reader_of(name), ["the cat"], "predict")
    assert "found a string `the cat`" in str(caught.value)


def test_columns_have_palms_names_whatever_a_file_calls_them(reader_of):
    renamed = reader_of("match", columns={"text_a": "text_b", "text_b": "other"})
    record = load_rows(renamed, [{"text_a": "the", "text_b": "cat"}], "predict").records[0]
    assert (record["text_a"], record["text_b"]) == ("the", "cat")
    with pytest.raises(DataError, match="missing: text_a"):
        load_rows(renamed, [{"text_b": "the", "other": "cat"}], "predict")


def test_rows_may_have_the_names_of_a_file_or_those_that_people_use(reader_of):
    rows = [{"premise": "the cat", "hypothesis": "sat"}, {"text_a": "我", "text_b": "爱"}]
    records = load_rows(reader_of("match"), rows, "predict").records
    assert [(record["text_a"], record["text_b"]) for record in records] == [("the cat", "sat"), ("我", "爱")]
    renamed = reader_of("match", columns={"text_a": "sent", "text_b": "other"})
    record = load_rows(renamed, [{"other": "cat", "sent": "the", "premise": "no"}], "predict").records[0]
    assert (record["text_a"], record["text_b"]) == ("the", "cat")


def test_a_guess_about_rows_is_said_once_and_one_of_several_names_is_refused(reader_of, caplog):
    for _ in range(2):
        load_rows(reader_of("cls"), [{"utterance": "the"}], "predict")
    said = [entry.getMessage() for entry in caplog.records]
    assert said == ["rows: columns by their names: text_a is `utterance`. If that is wrong, set `columns`."]
    with pytest.raises(DataError, match=r"rows\[0\]: several columns may be `text_a`, found `text`; or `title`"):
        load_rows(reader_of("cls"), [{"text": "the", "title": "cat"}], "predict")


def test_a_row_without_any_of_the_names_lists_them(reader_of):
    with pytest.raises(DataError) as caught:
        load_rows(reader_of("match"), [{"left": "the", "right": "cat"}], "predict")
    rule = "rows[0]: expected the fields text_a, text_b, missing: text_a, text_b (found left, right)."
    known = "Names that are known for text_a and text_b: sentence1 and sentence2, premise and hypothesis, "
    assert str(caught.value).startswith(f"{rule} {known}")


def test_labels_of_training_rows_are_learnt(reader_of):
    reader = reader_of("cls")
    load_rows(reader, [{"label": "good", "text_a": "the"}, {"label": "bad", "text_a": "cat"}], "train")
    assert reader.labels.names == ("bad", "good")


GOOD = {
    "cls": {"text_a": "the"}, "match": {"text_a": "the", "text_b": "cat"}, "mlm": {"text_a": "[MASK]"},
    "choice": {"text_a": "the", "choices": ["a", "b"]}, "seq_label": {"text_a": "the"},
    "mrc": {"question": "who", "context": "the cat"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("cls", {"text_b": "the"}, "rows[1]: expected the fields text_a, missing: text_a (found text_b)."),
        ("cls", {}, "rows[1]: expected the fields text_a, missing: text_a (found none)."),
        ("cls", {"text_a": 3}, "rows[1]: `text_a` must be a string, found a number `3`."),
        ("cls", {"text_a": 3.5}, "rows[1]: `text_a` must be a string, found a number `3.5`."),
        ("cls", {"text_a": b"the"}, "rows[1]: `text_a` must be a string, found a Python bytes `b'the'`."),
        ("cls", {"text_a": "\ud800"}, "rows[1]: `text_a` must be Unicode text, found half of a surrogate pair"),
        ("cls", None, "rows[1]: a row must be a mapping with text_a, found null `None`. Write {column: text}."),
        ("cls", ["the"], "rows[1]: a row must be a mapping with text_a, found a list `['the']`."),
        ("match", {"text_a": "the"}, "rows[1]: expected the fields text_a, text_b, missing: text_b (found text_a)."),
        ("match", {1: "the"}, "rows[1]: expected the fields text_a, text_b, missing: text_a, text_b (found 1)."),
        ("mlm", {"text_a": "the"}, "rows[1]: a text to predict needs [MASK] in place of a word, found none"),
        ("choice", {"text_a": "the", "choices": ["a"]}, "rows[1]: `choices` needs two or more candidates"),
        ("choice", {"text_a": "the", "choices": ["a", ""]}, "rows[1]: `choices` must contain text, found it empty."),
        ("choice", {"text_a": "the", "choices": ["a", 1]}, "rows[1]: `choices` must be a string, found a number `1`."),
        ("seq_label", {"text_a": ["the", ""]}, "rows[1]: `text_a` must be a list of non-empty strings"),
        ("seq_label", {"text_a": ("the",)}, "rows[1]: `text_a` must be a string, found a Python tuple"),
        ("mrc", {"question": "who"}, "rows: `rows[1].context` must be a string, found only question."),
        ("mrc", {"question": 1, "context": "the"}, "rows: `rows[1].question` must be a string, found a number `1`."),
        ("mrc", {**GOOD["mrc"], "id": "0"}, "rows: a question id must be unique, found `0` at rows[0] and rows[1]."),
        ("mrc", {"context": "the", "qas": [3]}, "rows: `rows[1].qas[0]` must be an object, found a number."),
        ("mrc", {"paragraphs": "the"}, "rows: `rows[1].paragraphs` must be a list, found a string `the`."),
        ("mrc", 7, "rows: `rows[1]` must be a mapping with question, context, found a number `7`."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_row(reader_of, name, bad, message):
    with pytest.raises(DataError) as caught:
        load_rows(reader_of(name), [GOOD[name], bad], "predict")
    assert str(caught.value).startswith(message)


def test_paragraphs_without_a_question_are_refused(reader_of):
    with pytest.raises(DataError, match="rows: rows must contain examples, found no question"):
        load_rows(reader_of("mrc"), [{"context": "the cat", "qas": []}], "predict")


def test_everything_wrong_comes_at_once(reader_of):
    with pytest.raises(DataError) as caught:
        load_rows(reader_of("cls"), [{}, "the", 5, {"text_a": []}], "predict")
    assert [problem.where for problem in caught.value.problems] == ["rows[0]", "rows[2]", "rows[3]"]


@pytest.mark.parametrize("rows", ["the cat", b"the", {"text_a": "the"}, None, 3, iter(["the"])])
def test_what_is_no_list_of_rows_is_refused(rows):
    with pytest.raises(
        DataError, match=r"^rows: rows must be a list, one example each, found .*\. Write \[ … \] around"
    ):
        as_table(rows)


def test_a_reader_of_files_alone_says_so(tokenizer):
    kind = READERS["cls"]
    members = {name: vars(kind)[name] for name in Reader.__abstractmethods__}
    files_alone = type("FilesAlone", (Reader,), members)(kind.Config(), tokenizer)
    with pytest.raises(ConfigError, match=r"^rows, FilesAlone: this reader only reads files\. Define its method"):
        load_rows(files_alone, ["the"], "predict")


def test_a_load_of_ones_own_would_never_be_called():
    with pytest.raises(TypeError, match=r"`Old\.load`: a reader does not load data itself"):
        type("Old", (Reader,), {"load": lambda self, file, phase: None})
