"""Predictions keep their row: id, texts, gold, columns asked for; cut texts are named."""

import json
import logging

import pytest

from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError, DataError
from palm.inference.prediction_rows import PredictionList, with_rows
from palm.reader.base import READERS
from palm.reader.loading import load_dataset, load_rows
from tests.integration import tiny

KEYS = {"mrc": {"max_seq_len": 16, "max_query_len": 4, "doc_stride": 4}}


def reader_of(name, **keys):
    kind = READERS[name]
    return kind(
        kind.Config(**{**KEYS.get(name, {}), **keys}),
        Tokenizer([*tiny.SPECIAL, *tiny.WORDS, *tiny.CHARACTERS], do_lower_case=True, for_cn=False),
    )


def predicted(reader, dataset):
    """What `with_rows` adds to bare predictions."""
    bare = [{"index": number} for number in range(len(dataset.records))]
    return with_rows(bare, dataset, reader)


@pytest.mark.parametrize(
    ("name", "row", "kept"),
    [
        ("cls", {"id": 7, "text_a": "我爱", "label": "好", "url": "u"}, {"id": 7, "text_a": "我爱", "gold": "好"}),
        ("cls", {"text_a": "我爱", "label": ""}, {"text_a": "我爱"}),
        ("match", {"id": "a", "text_a": "x", "text_b": "y"}, {"id": "a", "text_a": "x", "text_b": "y"}),
        ("choice", {"text_a": "x", "choices": "a|b", "label": 1}, {"text_a": "x", "choices": ["a", "b"], "gold": "1"}),
        (
            "seq_label",
            {"id": "s", "text_a": "我 爱", "label": "B O"},
            {"id": "s", "words": ["我", "爱"], "gold": ["B", "O"]},
        ),
        ("mlm", {"id": 1.5, "text_a": "我[MASK]"}, {"id": 1.5, "text_a": "我[MASK]"}),
        (
            "mrc",
            {"id": "水", "question": "谁", "context": "我爱", "answers": [{"text": "我", "answer_start": 0}]},
            {"id": "水", "question": "谁", "context": "我爱", "gold": ["我"]},
        ),
        ("mrc", {"question": "谁", "context": "我爱"}, {"id": "0", "question": "谁", "context": "我爱"}),
    ],
)
def test_a_row_is_kept(name, row, kept):
    reader = reader_of(name)
    assert predicted(reader, load_rows(reader, [row], "predict")) == [{"index": 0, **kept}]


@pytest.mark.parametrize("ending", ["tsv", "jsonl"])
def test_columns_of_a_file_are_kept(tmp_path, ending):
    file = tmp_path / f"x.{ending}"
    content = {"tsv": "id\turl\ttext_a\n7\t水\t我爱\n", "jsonl": '{"id": 7, "url": "水", "text_a": "我爱"}\n'}
    file.write_text(content[ending], encoding="utf-8")
    reader = reader_of("cls", keep_columns="url")
    [found] = predicted(reader, load_dataset(reader, file, "predict"))
    assert found == {"index": 0, "id": {"tsv": "7", "jsonl": 7}[ending], "url": "水", "text_a": "我爱"}


def test_fields_of_a_question_are_kept(tmp_path):
    file = tmp_path / "x.json"
    qas = '[{"id": "a", "question": "谁", "level": 3}, {"id": "b", "question": "谁"}]'
    file.write_text(f'{{"data": [{{"paragraphs": [{{"context": "我爱", "qas": {qas}}}]}}]}}', encoding="utf-8")
    reader = reader_of("mrc", keep_columns="level")
    assert [one.get("level") for one in predicted(reader, load_dataset(reader, file, "predict"))] == [3, None]
    reader = reader_of("mrc", keep_columns="levle")
    with pytest.raises(DataError, match="keep_columns names fields of questions, found none with `levle`"):
        load_dataset(reader, file, "predict")


def test_a_column_that_is_missing_is_an_error_in_a_file_alone(tmp_path):
    file = tmp_path / "x.tsv"
    file.write_text("text_a\n我\n", encoding="utf-8")
    reader = reader_of("cls", keep_columns="url, url")
    with pytest.raises(DataError, match=r"x\.tsv:1: the first row must name the columns, expected text_a, url"):
        load_dataset(reader, file, "predict")
    assert predicted(reader, load_rows(reader, ["我", {"text_a": "爱", "url": 1}], "predict"))[1]["url"] == 1


def test_words_of_a_conll_file_have_no_columns(tmp_path):
    file = tmp_path / "x.conll"
    file.write_text("我 O\n", encoding="utf-8")
    with pytest.raises(DataError, match="keep_columns names columns of a table"):
        load_dataset(reader_of("seq_label", keep_columns="url"), file, "predict")


@pytest.mark.parametrize("name", ["label", "gold"])
def test_a_column_with_the_name_of_a_field_is_refused(name):
    reader = reader_of("mlm", keep_columns=name)
    dataset = load_rows(reader, [{"text_a": "我[MASK]", name: "x"}], "predict")
    with pytest.raises(ConfigError, match=f"keep_columns: a column to keep needs a name .* Found `{name}`"):
        with_rows([{"index": 0, "label": "y"}], dataset, reader)


@pytest.mark.parametrize(
    ("name", "rows", "cut"),
    [
        ("cls", ["a a a a a a", "a a a a a a a"], [False, True]),  # 8 tokens fit: [CLS], six words, [SEP]
        ("match", [{"text_a": "a a a", "text_b": "a a"}, {"text_a": "a a a", "text_b": "a a a"}], [False, True]),
        (
            "choice",
            [{"text_a": "a a a", "choices": ["a", "a a"]}, {"text_a": "a a a", "choices": ["a", "a a a"]}],
            [False, True],
        ),
        ("seq_label", ["a a a a a a a a a a"], [False]),
    ],
)
def test_cut_texts_are_said_and_marked(name, rows, cut, caplog):
    reader = reader_of(name, max_seq_len=8)
    caplog.set_level(logging.WARNING)
    found = predicted(reader, load_rows(reader, rows, "predict"))
    assert [one.get("truncated", False) for one in found] == cut
    said = "1 of 2 texts is longer than max_seq_len (8 tokens) and cut there; the first is rows[1]."
    assert caplog.messages == ([said] if any(cut) else [])


def test_a_cut_question_is_said(caplog):
    reader = reader_of("mrc")
    found = predicted(reader, load_rows(reader, [{"question": "a a a a a", "context": "我爱" * 40}], "predict"))
    assert found[0]["truncated"] is True
    assert caplog.messages == ["the text is longer than max_query_len (4 tokens) and cut there."]


def test_predictions_are_a_list_that_a_notebook_shows_as_a_table():
    found = PredictionList({"label": "<b>", "probs": 0.5, "text": "字" * 100} for _ in range(12))
    assert found == [{"label": "<b>", "probs": 0.5, "text": "字" * 100}] * 12
    assert json.loads(json.dumps(found)) == found
    html = found._repr_html_()
    assert html.count("<tr>") == 11
    assert "<td>&lt;b&gt;</td><td>0.5000</td>" in html
    assert "字" * 80 + "…" in html
    assert "10 of 12 predictions" in html
