"""What a program hands over as data is a path, a hub data set, or a table of rows; anything else is refused."""

from pathlib import Path

import pytest

from palm.errors import DataError
from palm.reader.cls import ClassificationReaderConfig
from palm.reader.formats.sources import as_table, data_name, open_source, plain_data_keys, source_name

ROWS = [{"label": "1", "text_a": "我"}, {"label": "0", "text_a": "a"}]


def test_a_path_stays_one(tmp_path):
    for name in ("x.tsv", "x.parquet"):  # the reader names what is missing
        assert open_source(tmp_path / name, ClassificationReaderConfig()) == tmp_path / name
    assert source_name(Path("x")) == Path("x")


def test_rows_are_found_again_under_their_name():
    name = data_name(ROWS)
    found = open_source(name, ClassificationReaderConfig())
    assert list(found) == ROWS
    assert source_name(found) == "rows"
    assert open_source(found, ClassificationReaderConfig()) is found
    assert data_name(Path("a/b")) == "a/b"
    assert data_name("hf://x:train") == "hf://x:train"


def test_tables_of_a_configuration_become_names():
    keys = plain_data_keys({"train_file": ROWS, "dev_file": None, "pred_file": Path("x"), "tasks": {}, "epochs": [1]})
    assert keys == {"train_file": data_name(ROWS), "dev_file": None, "pred_file": "x", "tasks": {}, "epochs": [1]}


def test_a_frame_becomes_rows_without_its_index():
    pandas = pytest.importorskip("pandas", reason="the extra `data`")
    frame = pandas.DataFrame(
        {"label": pandas.Categorical(["good", "好"]), "text_a": ["a", None], "n": [1, 2], "x": [0.5, float("nan")]},
        index=[7, 9],
    )
    table = as_table(frame)
    assert list(table) == [
        {"label": "good", "text_a": "a", "n": 1, "x": 0.5},
        {"label": "好", "text_a": None, "n": 2, "x": None},
    ]
    assert [type(value) for value in table[0].values()] == [str, str, int, float]
    assert as_table(pandas.DataFrame([["1", "a"]])).columns == ("0", "1")
    with pytest.raises(DataError, match="a column must occur once in a frame, found `a` twice"):
        as_table(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_lists_in_cells_of_a_frame_stay_lists(tmp_path):
    pandas = pytest.importorskip("pandas", reason="the extra `data`")
    pandas.DataFrame({"text_a": [["我", "爱"]]}).to_parquet(tmp_path / "x.parquet")
    assert list(as_table(pandas.read_parquet(tmp_path / "x.parquet"))) == [{"text_a": ["我", "爱"]}]


def test_a_data_set_keeps_its_classes_and_needs_one_split():
    datasets = pytest.importorskip("datasets", reason="the extra `data`")
    features = datasets.Features({"label": datasets.ClassLabel(names=["差", "好"])})
    data = datasets.Dataset.from_dict({"label": [1, 0]}, features=features)
    assert [row["label"] for row in as_table(data).named_rows()] == ["好", "差"]
    assert [row["label"] for row in as_table(data.with_format("numpy")).named_rows()] == ["好", "差"]
    assert data_name(data) == data_name(datasets.Dataset.from_dict({"label": [1, 0]}, features=features))
    with pytest.raises(DataError, match=r"one split of a data set is expected, found all of them\. Hand one over"):
        as_table(datasets.DatasetDict({"train": data}))


@pytest.mark.parametrize("rows", ["the cat", b"the", {"text_a": "the"}, None, 3, iter(["the"])])
def test_what_is_no_list_of_rows_is_refused(rows):
    with pytest.raises(
        DataError, match=r"^rows: rows must be a list, one example each, found .*\. Write \[ … \] around"
    ):
        as_table(rows)
