"""The same rows in every format, as other programs write them, become the same data set in every reader."""

import csv
import gzip
import json

import numpy as np
import pytest

from palm.data.dataset import Ragged
from palm.errors import DataError
from palm.reader.base import READERS
from palm.reader.formats.sources import as_table
from palm.reader.loading import load_dataset

pandas = pytest.importorskip("pandas", reason="the extra `data`")
datasets = pytest.importorskip("datasets", reason="the extra `data`")
openpyxl = pytest.importorskip("openpyxl", reason="the extra `data`")

LABELS = ["good", "bad", "good"]
TEXTS = ["the cat, sat", "我爱北京", "a film on 你好 ; mat"]
OTHERS = ["cat sat", "北京 在 哪 里", "bad film"]
# By reader: its keys, and its columns.
ROWS = {
    "cls": ({}, {"label": LABELS, "text_a": TEXTS}),
    "match": ({}, {"label": LABELS, "text_a": TEXTS, "text_b": OTHERS}),
    "prompt": ({}, {"label": LABELS, "text_a": TEXTS}),
    "embed": ({}, {"label": LABELS, "text_a": TEXTS}),
    "embed_pairs": ({"pair_kind": "scored"}, {"label": [0.5, -1, 1], "text_a": TEXTS, "text_b": OTHERS}),
    "mlm": ({}, {"text_a": TEXTS}),
    "seq2seq": ({}, {"text_a": TEXTS, "target": OTHERS}),
    "pairwise_match": ({}, {"text_a": TEXTS, "text_b": OTHERS, "text_b_neg": OTHERS[::-1]}),
    "choice": ({}, {"label": ["0", "1", "1"], "text_a": TEXTS, "choices": [["a", "b"], ["我", "爱"], ["c", "d"]]}),
    "rank": ({}, {"text_a": TEXTS, "choices": [["a", "b"], ["我", "爱"], ["c", "d"]], "relevance": [[0, 1]] * 3}),
    "regression": ({"label_kind": "number"}, {"label": [0.5, 3, 5], "text_a": TEXTS}),
    "several": ({"label_kind": "several"}, {"label": [["good", "bad"], ["bad"], ["good"]], "text_a": TEXTS}),
    "seq_label": (
        {},
        {"label": [["O", "B-x", "I-x"], ["B-y"], ["O", "O"]], "text_a": [["the", "cat", "sat"], ["我"], ["a", "b"]]},
    ),
}
KINDS = {"regression": "cls", "several": "cls"}


def joined(columns, name):
    """Lists as cells of text."""
    whole_texts = "text_a" in columns and isinstance(columns["text_a"][0], str)
    sign = "|" if whole_texts or name in ("choices", "relevance") else " "
    return [sign.join(map(str, cell)) if isinstance(cell, list) else cell for cell in columns[name]]


def cells_of(columns):
    return {name: joined(columns, name) for name in columns}


def written(file, columns, **form):
    encoding = form.pop("encoding", "utf-8")
    with file.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, **form).writerows([list(columns), *zip(*cells_of(columns).values(), strict=True)])
    return file


def rows_of(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def jsonl(file, columns, **_):
    lines = [json.dumps(row, ensure_ascii=False) for row in rows_of(columns)]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def json_list(file, columns, wrap=lambda rows: rows):
    file.write_text(json.dumps(wrap(rows_of(columns)), indent=1), encoding="utf-8")
    return file


def packed(file):
    place = file.with_name(f"{file.name}.gz")
    place.write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    return place


def frame(columns):
    return pandas.DataFrame(cells_of(columns))


def by_pandas(method, file, columns, **keys):
    getattr(frame(columns), method)(file, index=False, **keys)
    return file


def workbook(file, columns):
    book = openpyxl.Workbook()
    for row in [list(columns), *zip(*cells_of(columns).values(), strict=True)]:
        book.active.append(row)
    book.save(file)
    return file


def hub_shaped(columns):
    """With classes as ids and their names in the features, as data sets on hubs have them."""
    if columns.get("label") != LABELS:
        return datasets.Dataset.from_dict(columns)
    kinds = {name: datasets.Value("string") for name in columns} | {"label": datasets.ClassLabel(names=["good", "bad"])}
    ids = {**columns, "label": [0, 1, 0]}
    return datasets.Dataset.from_dict(ids, features=datasets.Features(kinds))


def saved(write, place):
    write(str(place))
    return place


FORMATS = {
    "csv": lambda folder, columns: written(folder / "x.csv", columns),
    "csv-excel": lambda folder, columns: written(
        folder / "x.csv", columns, delimiter=";", encoding="utf-8-sig", lineterminator="\r\n"
    ),
    "csv-pandas": lambda folder, columns: by_pandas("to_csv", folder / "x.csv", columns),
    "csv-gz": lambda folder, columns: packed(written(folder / "x.csv", columns)),
    "csv-gbk": lambda folder, columns: written(folder / "x.csv", columns, encoding="gb18030"),
    "csv-utf16": lambda folder, columns: written(folder / "x.csv", columns, encoding="utf-16"),
    "tsv": lambda folder, columns: written(folder / "x.tsv", columns, delimiter="\t"),
    "tsv-quoted": lambda folder, columns: by_pandas("to_csv", folder / "x.tsv", columns, sep="\t", quoting=1),
    "tsv-gz": lambda folder, columns: packed(written(folder / "x.tsv", columns, delimiter="\t")),
    "jsonl": lambda folder, columns: jsonl(folder / "x.jsonl", columns),
    "jsonl-gz": lambda folder, columns: packed(jsonl(folder / "x.jsonl", columns)),
    "json": lambda folder, columns: json_list(folder / "x.json", columns),
    "json-data": lambda folder, columns: json_list(folder / "x.json", columns, lambda rows: {"data": rows}),
    "json-gz": lambda folder, columns: packed(json_list(folder / "x.json", columns)),
    "xlsx": lambda folder, columns: workbook(folder / "x.xlsx", columns),
    "xlsx-pandas": lambda folder, columns: by_pandas("to_excel", folder / "x.xlsx", columns),
    "parquet-pandas": lambda folder, columns: by_pandas("to_parquet", folder / "x.parquet", columns),
    "parquet-hub": lambda folder, columns: saved(hub_shaped(columns).to_parquet, folder / "x.parquet"),
    "arrow-folder": lambda folder, columns: saved(hub_shaped(columns).save_to_disk, folder / "x"),
    "arrow-file": lambda folder, columns: next(
        saved(hub_shaped(columns).save_to_disk, folder / "x").glob("*.arrow")
    ),
    "list": lambda folder, columns: as_table(rows_of(columns)),
    "frame": lambda folder, columns: as_table(frame(columns)),
    "dataset": lambda folder, columns: as_table(hub_shaped(columns)),
}  # fmt: skip
ENCODINGS = {"csv-gbk": "gb18030", "csv-utf16": "utf-16"}


QUESTIONS = {
    "id": ["a", "b"],
    "question": ["who", "谁"],
    "context": ["the cat sat", "我爱北京"],
    "answers": [{"text": ["cat"], "answer_start": [4]}, {"text": ["北京"], "answer_start": [2]}],
}
FORMATS_OF_QUESTIONS = ("jsonl", "jsonl-gz", "json", "json-gz", "parquet-pandas", "parquet-hub", "arrow-folder", "list",
                        "frame", "dataset")  # fmt: skip


@pytest.fixture
def load(tokenizer):
    def load_source(kind, source, **keys):
        reader = READERS[KINDS.get(kind, kind)]
        own = ROWS[kind][0] if kind in ROWS else {"max_query_len": 4}
        made = reader(reader.Config(max_seq_len=16, **own, **keys), tokenizer)
        return load_dataset(made, source, "train"), made.labels

    return load_source


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ROWS)
def test_the_same_rows_in_every_format(kind, form, tmp_path, load):
    compare(kind, form, ROWS[kind][1], tmp_path, load)


@pytest.mark.parametrize("form", FORMATS_OF_QUESTIONS)
def test_the_same_questions_in_every_format_that_holds_lists(form, tmp_path, load):
    compare("mrc", form, QUESTIONS, tmp_path, load)


def test_what_is_wrong_with_a_question_names_the_file(tmp_path, load):
    file = FORMATS["parquet-hub"](tmp_path, {**QUESTIONS, "question": [1, 2]})
    with pytest.raises(DataError, match=r"x\.parquet: `rows\[0\]\.question` must be a string"):
        load("mrc", file)


def compare(kind, form, columns, tmp_path, load):
    expected, labels = load(kind, jsonl(tmp_path / "expected.jsonl", columns))
    keys = {"encoding": ENCODINGS[form]} if form in ENCODINGS else {}
    found, found_labels = load(kind, FORMATS[form](tmp_path, columns), **keys)
    assert found_labels == labels
    assert [{**row, "line": 0} for row in found.records] == [{**row, "line": 0} for row in expected.records]
    assert found.columns.keys() == expected.columns.keys()
    for name, column in expected.columns.items():
        other = found.columns[name]
        if isinstance(column, Ragged):
            np.testing.assert_array_equal(other.values, column.values)
            np.testing.assert_array_equal(other.offsets, column.offsets)
        else:
            np.testing.assert_array_equal(other, column)
