"""Certain predictions as labelled rows, and the reader that reads them again."""

import json
from types import SimpleNamespace

import pytest

from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError, DataError
from palm.inference.pseudo_labels import choose_certain, write_labelled
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from tests.integration import tiny

VOCABULARY = [*tiny.SPECIAL, *tiny.WORDS, *tiny.CHARACTERS]


def predictor(name="cls", **keys):
    """What `palm.load` gives, as far as it is looked at."""
    tokenizer = Tokenizer(VOCABULARY, do_lower_case=True, for_cn=False)
    reader = READERS["match" if name == "match" else "cls"]
    made = reader(reader.Config(**keys), tokenizer)
    paradigm = PARADIGMS[name](PARADIGMS[name].Config(**({} if name == "regression" else {"n_classes": 2})))
    return SimpleNamespace(paradigm=paradigm, reader=made, text_columns=made.text_columns, task="任务")


def prediction(text, water, **more):
    label = "水" if water >= 0.5 else "天"
    return {"label": label, "probs": {"水": water, "天": 1 - water}, "text_a": text, "logits": [0.0, 0.0], **more}


WATER = {"鱼": 0.95, "鸟": 0.2, "鲸": 0.99, "鸭": 0.5, "鹰": 0.05}
ROWS = [prediction(text, probability) for text, probability in WATER.items()]


def test_rows_that_are_certain_enough_in_their_order():
    found = choose_certain(predictor(), ROWS, least=0.8)
    assert [(row.row["text_a"], row.label, row.probability) for row in found.rows] == [
        ("鱼", "水", 0.95), ("鸟", "天", 0.8), ("鲸", "水", 0.99), ("鹰", "天", 0.95),
    ]  # fmt: skip
    assert found.counts == {"天": 2, "水": 2}
    assert found.left_out == {}


def test_the_most_certain_rows_of_each_label():
    found = choose_certain(predictor(), ROWS, least=0.0, most=1)
    assert [row.row["text_a"] for row in found.rows] == ["鲸", "鹰"]
    assert found.left_out == {"rows less certain than others of their label, left out (--per_label)": 3}
    same = [prediction("一", 0.9), prediction("二", 0.9)]
    assert [row.row["text_a"] for row in choose_certain(predictor(), same, least=0.9, most=1).rows] == ["一"]


def test_rows_without_text_and_rows_with_a_label_are_counted():
    found = choose_certain(predictor(), [prediction(" ", 0.99), prediction("鱼", 0.99, gold="天")], least=0.9)
    assert [(row.row["text_a"], row.label) for row in found.rows] == [("鱼", "水")]
    assert found.left_out == {"rows without text, left out": 1, "rows that had a label, which is replaced": 1}


def test_several_labels_are_as_certain_as_the_least_certain():
    one = {"labels": ["水"], "probs": {"水": 0.98, "天": 0.03, "火": 0.07}, "text_a": "鱼"}
    none = {"labels": [], "probs": {"水": 0.1, "天": 0.03, "火": 0.07}, "text_a": "石"}
    found = choose_certain(predictor("multi_label", label_kind="several"), [one, none], least=0.9)
    assert [(row.label, pytest.approx(row.probability)) for row in found.rows] == [(["水"], 0.93), ([], 0.9)]


def test_tasks_without_probabilities_are_refused():
    with pytest.raises(ConfigError, match="任务: pseudo labels are those of tasks that give each row a label"):
        choose_certain(predictor("regression"), [{"value": 0.3, "text_a": "鱼"}], least=0.5)


@pytest.mark.parametrize("columns", [{}, {"text_a": "sentence", "label": "类别"}, {"label": "0", "text_a": "1"}])
def test_json_lines_are_read_as_training_rows(tmp_path, columns):
    model = predictor(columns=columns)
    rows = [prediction("大红鱼", 0.95, id=7, index=0, truncated=True), prediction("a bird, a\ttab", 0.01, id=8)]
    write_labelled(choose_certain(model, rows, least=0.9).rows, model.reader, tmp_path / "p.jsonl")
    first = json.loads((tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()[0])
    text, label = columns.get("text_a", "text_a"), columns.get("label", "label")
    assert first == {"id": 7, text: "大红鱼", label: "水", "prob": 0.95}
    read = model.reader.read(tmp_path / "p.jsonl", "train")
    assert [(record["text_a"], record["label"]) for record in read] == [("大红鱼", "水"), ("a bird, a\ttab", "天")]


def test_text_and_label_without_a_header(tmp_path):
    model = predictor(header=False, columns={"text_a": "0", "label": "1"})
    write_labelled(choose_certain(model, ROWS, least=0.9).rows, model.reader, tmp_path / "p.txt")
    assert (tmp_path / "p.txt").read_text(encoding="utf-8") == "鱼\t水\n鲸\t水\n鹰\t天\n"
    assert [record["label"] for record in model.reader.read(tmp_path / "p.txt", "train")] == ["水", "水", "天"]


def test_a_text_that_fits_in_no_line_is_refused(tmp_path):
    found = choose_certain(predictor(), [prediction("a\tb", 0.99)], least=0.9)
    with pytest.raises(DataError, match=r"rows\[0\]: a line of a txt file is one text without tabs"):
        write_labelled(found.rows, predictor().reader, tmp_path / "p.txt")


def test_no_row_is_an_empty_file(tmp_path):
    write_labelled([], predictor().reader, tmp_path / "p.jsonl")
    assert (tmp_path / "p.jsonl").read_bytes() == b""
