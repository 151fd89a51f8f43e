"""Rows for prompts: txt without a header, FewCLUE's JSON lines, and tables with the columns that the prompt names."""

import json

import pytest

from palm.errors import ConfigError, DataError
from palm.reader.prompt_fields import PromptReaderConfig
from palm.reader.prompt_rows import parse_prompt_rows

FEWCLUE = [
    {"label": 110, "label_desc": "news_military", "sentence": "如果发生战争", "keywords": "", "id": 4591},
    {"label": 116, "label_desc": "news_game", "sentence": "现实中的大司马", "keywords": "英雄联盟", "id": 4700},
]


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def parse(source, phase="train", texts=("text_a",), known=(), **keys):
    return list(parse_prompt_rows(source, PromptReaderConfig(**keys), texts=texts, phase=phase, known=known))


def test_txt_without_a_header(write):
    file = write("train.txt", "普洱茶要如何醒茶?\tnews_culture\nthe cat\tpets \n")
    assert parse(file) == [
        {"line": 1, "text_a": "普洱茶要如何醒茶?", "label": "news_culture"},
        {"line": 2, "text_a": "the cat", "label": "pets"},
    ]
    assert parse(write("data.txt", "普洱茶\n"), "predict") == [{"line": 1, "text_a": "普洱茶"}]
    with pytest.raises(DataError, match=r"dev\.txt:1: .*found no label"):
        parse(write("dev.txt", "普洱茶\n"), "eval")
    assert len(parse(write("dev.txt", "a\tb\n普洱茶\n"), "eval", on_missing_label="leave_out")) == 1


def test_several_labels_of_a_line_have_commas_between_them(write):
    file = write("train.txt", "普洱茶\t茶, 文化\nthe cat\t\n")
    assert [row["label"] for row in parse(file, label_kind="several")] == [["茶", "文化"], []]
    table = write("train.tsv", "label\ttext_a\na|b,c\tthe cat\n")
    assert parse(table, label_kind="several")[0]["label"] == ["a", "b,c"]


def test_txt_with_a_header_is_a_table(write):
    assert parse(write("train.txt", "label\ttext_a\n茶\tx\n")) == [{"line": 2, "label": "茶", "text_a": "x"}]


def test_lines_have_only_two_columns_of_text(write):
    assert parse(write("a.txt", "x\ty\tz\n"), texts=("text_b", "text_a"))[0] == {
        "line": 1, "text_a": "x", "text_b": "y", "label": "z",
    }  # fmt: skip
    with pytest.raises(
        ConfigError, match=r"prompt, .*a\.txt: lines without a header hold text_a and text_b, found .*k"
    ):
        parse(write("a.txt", "x\ty\n"), texts=("text_a", "k"))


def test_fewclue(write, caplog):
    file = write("train_0.json", lines(*FEWCLUE))
    found = parse(file, texts=("text_a", "keywords"))
    assert [(row["text_a"], row["label"], row["keywords"]) for row in found] == [
        ("如果发生战争", "news_military", ""),
        ("现实中的大司马", "news_game", "英雄联盟"),
    ]
    assert "label is `label_desc`" in caplog.text
    assert "text_a is `sentence`" in caplog.text


def test_ids_of_classes_stay_where_the_labels_are_ids(write):
    file = write("train_0.json", lines(*FEWCLUE))
    assert [row["label"] for row in parse(file, known=("110", "116"))] == ["110", "116"]
    assert [row["label"] for row in parse(file, known=("news_game", "news_military"))] == ["news_military", "news_game"]
    assert [row["label"] for row in parse(file, columns={"label": "label"})] == ["110", "116"]
    assert "label" not in parse(write("test.json", lines({"id": "0", "sentence": "茶"})), "predict")[0]


def test_pairs_and_rows_of_a_program(write):
    file = write("bustm.json", lines({"sentence1": "a", "sentence2": "b", "label": "1"}))
    assert parse(file, texts=("text_a", "text_b")) == [{"line": 1, "text_a": "a", "text_b": "b", "label": "1"}]
    assert parse([{"text_a": "茶", "label": "x"}]) == [{"line": 1, "text_a": "茶", "label": "x"}]
    with pytest.raises(DataError, match=r"rows\[0\]: expected the fields"):
        parse([{"label": "x"}], texts=("text_a", "keywords"))


def test_text_is_needed_in_the_columns_of_text(write):
    with pytest.raises(DataError, match=r"a\.csv:2: `text_a` must contain text"):
        parse(write("a.csv", "text_a,label\n ,x\n"))
    assert len(parse(write("a.csv", "text_a,label\n ,x\nb,y\n"), skip_empty_text=True)) == 1
