"""`parse` reads trees from CoNLL-U: the first piece of a word has its relation and the place of its head."""

import json

import numpy as np
import pytest

from palm.data.dataset import LabelMap
from palm.errors import DataError
from palm.reader.loading import load_dataset, load_rows
from palm.reader.parse import ParseReader, ParseReaderConfig


def conllu(*sentences):
    rows = []
    for sentence in sentences:
        for number, (form, head, relation) in enumerate(sentence, 1):
            rows.append("\t".join([str(number), form, "_", "_", "_", "_", str(head), relation, "_", "_"]))
        rows.append("")
    return "\n".join(rows)


THE_CATS_SAT = [("the", 2, "det"), ("cats", 3, "nsubj"), ("sat", 0, "root")]
CHINESE = [("我", 2, "nsubj"), ("爱", 0, "root"), ("北京", 2, "obj")]


@pytest.fixture
def load(tokenizer, write):
    def load_file(content, phase="train", *, name="x.conllu", labels=None, **keys):
        reader = ParseReader(ParseReaderConfig(**keys), tokenizer, labels)
        return reader, load_dataset(reader, write(name, content), phase)

    return load_file


def test_a_batch(load, ids):
    reader, data = load(conllu(THE_CATS_SAT, CHINESE))
    assert reader.labels.names == ("det", "nsubj", "obj", "root")
    batch = reader.collate(data, np.arange(2), np.random.default_rng(0))
    assert batch["token_ids"].tolist() == [ids("[CLS] the cat ##s sat [SEP]"), ids("[CLS] 我 爱 北 京 [SEP]")]
    assert batch["word_starts"].tolist() == [[0, 1, 1, 0, 1, 0], [0, 1, 1, 1, 0, 0]]
    assert batch["head_positions"].tolist() == [[-100, 2, 4, -100, 0, -100], [-100, 2, 0, 2, -100, -100]]
    assert batch["label_ids"].tolist() == [[-100, 0, 1, -100, 3, -100], [-100, 1, 3, 2, -100, -100]]
    assert {name: array.dtype for name, array in batch.items()} == {
        name: spec.dtype for name, spec in reader.outputs_attr("train").items()
    }


def test_what_has_its_head_in_another_window_teaches_nothing(load):
    reader, data = load(conllu(THE_CATS_SAT), max_seq_len=5)
    assert data.ragged("word_index").values.tolist() == [-1, 0, 1, -1, -1, -1, 2, -1]
    assert data.ragged("head_positions")[0].tolist() == [-100, 2, -100, -100, -100]
    assert data.ragged("label_ids")[0].tolist() == [-100, 0, -100, -100, -100]
    assert data.ragged("head_positions")[1].tolist() == [-100, 0, -100]
    assert data.notes == (
        "the head of 1 word lies in another window of max_seq_len tokens (5), and nothing is learnt of them.",
    )
    assert reader.truncated(data) == [0]


def test_to_predict_trees_are_not_needed(load):
    content = conllu(THE_CATS_SAT, [("我", "_", "_"), ("爱", "_", "_")], [("你", 2, "a"), ("好", 1, "b")])
    reader, data = load(content, "predict")
    assert [reader.gold_label(record) for record in data.records] == [
        {"heads": [2, 3, 0], "relations": ["det", "nsubj", "root"]}, None, None,
    ]  # fmt: skip
    assert data.notes == ("the heads of 1 sentence make no tree, and are not kept as gold, such as line 8.",)
    assert reader.row_of(data.records[1]) == {"words": ["我", "爱"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", '{"text_a": ["我", "爱", "北京"], "id": 7}\n'),
        ("x.tsv", "id\ttext_a\n7\t我 爱 北京\n"),
    ],
)
def test_words_alone_are_predicted(load, name, content):
    reader, data = load(content, "predict", name=name, for_cn=True)
    assert [reader.row_of(record) for record in data.records] == [
        {"id": "7" if name == "x.tsv" else 7, "words": ["我", "爱", "北京"]}
    ]


def test_blanks_separate_words_in_chinese_too(tokenizer):
    reader = ParseReader(ParseReaderConfig(for_cn=True), tokenizer)
    rows = ["我爱北京", {"text_a": "我 爱 北京"}, {"text_a": ["我", "爱"]}]
    assert [record["words"] for record in load_rows(reader, rows, "predict").records] == [
        ["我爱北京"], ["我", "爱", "北京"], ["我", "爱"],
    ]  # fmt: skip


ROWS = [
    {"words": ["the", "cats", "sat"], "heads": [2, 3, 0], "relations": ["det", "nsubj", "root"]},
    {"words": "我 爱 北京", "heads": "2 0 2", "relations": "nsubj root obj"},
]


@pytest.mark.parametrize("names", [("relations", "heads"), ("deprel", "head"), ("labels", "heads")])
def test_rows_of_a_program_give_the_data_set_of_a_file(tokenizer, load, names):
    relations, heads = names
    rows = [{"words": row["words"], heads: row["heads"], relations: row["relations"]} for row in ROWS]
    reader = ParseReader(ParseReaderConfig(for_cn=True), tokenizer)
    found = load_rows(reader, rows, "train")
    from_file, expected = load(conllu(THE_CATS_SAT, CHINESE))
    assert reader.labels == from_file.labels
    batches = [reader.collate(data, np.arange(2), np.random.default_rng(0)) for data in (found, expected)]
    assert {name: array.tolist() for name, array in batches[0].items()} == {
        name: array.tolist() for name, array in batches[1].items()
    }
    assert [reader.gold_label(record) for record in found.records] == [
        from_file.gold_label(record) for record in expected.records
    ]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.tsv", "x.csv"])
def test_tables_have_trees_too(load, name):
    listed = json.dumps(ROWS, ensure_ascii=False)
    cells = [[row[column] for column in ("words", "heads", "relations")] for row in ROWS]
    joined = [[cell if isinstance(cell, str) else " ".join(map(str, cell)) for cell in row] for row in cells]
    between = "," if name == "x.csv" else "\t"
    table = "\n".join(map(between.join, [["words", "heads", "relations"], *joined])) + "\n"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    content = {"x.jsonl": lines, "x.json": listed}.get(name, table)
    reader, data = load(content, name=name)
    assert [record["heads"] for record in data.records] == [[2, 3, 0], [2, 0, 2]]
    assert reader.labels.names == ("det", "nsubj", "obj", "root")


def test_every_fault_is_named_with_its_line(load):
    content = conllu([("the", 1, "det")], [("cat", 0, "root"), ("sat", 0, "x")], [("我", "_", "_")], THE_CATS_SAT)
    with pytest.raises(DataError) as caught:
        load(content)
    assert [problem.where.rpartition(":")[2] for problem in caught.value.problems] == ["1", "1", "4", "6"]
    assert "on_missing_label: leave_out" in caught.value.problems[-1].message


def test_sentences_without_a_tree_are_left_out_on_request(load):
    _, data = load(conllu([("我", "_", "_")], THE_CATS_SAT), on_missing_label="leave_out")
    assert len(data.records) == 1
    assert data.notes == ("1 row is left out (on_missing_label: no label), line 1.",)


def test_a_relation_that_training_did_not_have(load):
    known = LabelMap(("det", "nsubj", "root"))
    with pytest.raises(DataError, match=r"x\.conllu:1: label out of range"):
        load(conllu(CHINESE), "eval", labels=known)
    _, data = load(conllu(CHINESE), "eval", labels=known, on_unknown_label="count_as_wrong")
    assert data.ragged("label_ids")[0].tolist() == [-100, 1, 2, -100, -100, -100]
    assert data.ragged("head_positions")[0].tolist() == [-100, 2, 0, -100, -100, -100]


def test_keep_columns_is_of_tables(load):
    with pytest.raises(DataError, match="keep all of its columns"):
        load(conllu(CHINESE), "predict", keep_columns=["id"])
