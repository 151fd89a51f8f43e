"""A table of rows: its order, its classes by name, its fingerprint, and the name under which a process keeps it."""

import pytest

from palm.errors import DataError
from palm.reader.formats.row_table import RowTable, is_remote, keep_rows, kept_rows, needs_extra, rows_in_blocks

ROWS = [{"label": 0, "text_a": "a"}, {"label": 1, "text_a": "我"}, {"label": -1, "text_a": "b"}]


def table(rows=ROWS, **keys):
    return RowTable("rows", lambda: iter(rows), len(rows), **keys)


def test_rows_in_order_again_and_again():
    made = table()
    assert list(made) == list(made) == ROWS
    assert made[1] == made[-2] == ROWS[1]
    assert made[1:] == ROWS[1:]
    assert len(made) == 3
    with pytest.raises(IndexError, match=r"has 3 rows\. Found index 3"):
        made[3]


def test_ids_of_classes_become_names():
    made = table(label_names={"label": ["good", "好"]})
    assert [row["label"] for row in made.named_rows()] == ["good", "好", None]
    assert made.label_names("label") == ("good", "好")
    assert made.label_names("text_a") is None
    tags = table([{"tags": [0, 1]}, {"tags": [2, True]}], label_names={"tags": ["O", "B"]})
    assert [row["tags"] for row in tags.named_rows()] == [["O", "B"], [2, True]]
    assert [row["label"] for row in table().named_rows()] == [0, 1, -1]


def test_the_fingerprint_is_that_of_the_content():
    assert table().fingerprint == table(list(ROWS)).fingerprint
    others = [ROWS[::-1], [{**ROWS[0], "x": None}, *ROWS[1:]], ROWS[:2]]
    assert len({table(rows).fingerprint for rows in [ROWS, *others]}) == 4
    assert table(label_names={"label": ["x"]}).fingerprint != table().fingerprint
    assert table([{"text_a": "\ud800"}]).fingerprint


def test_a_table_is_kept_under_a_name_that_follows_from_its_rows():
    name = keep_rows(table())
    assert name == keep_rows(table(list(ROWS)))
    assert is_remote(name)
    assert is_remote("hf://glue:train")
    assert not is_remote("rows.tsv")
    assert list(kept_rows(name)) == ROWS
    with pytest.raises(DataError, match=r"^rows://0: rows of a program are known to the process that was given them"):
        kept_rows("rows://0")


def test_columns_become_rows():
    blocks = [{"a": [1, 2], "b": ["x", "y"]}, {"a": [3], "b": [None]}]
    assert list(rows_in_blocks(blocks)) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": None}]


def test_a_missing_package_says_what_to_install():
    error = needs_extra("x.parquet", "parquet files", ImportError("no", name="pyarrow"))
    assert str(error) == (
        "x.parquet: parquet files are read by packages of the extra `data`. Found no module `pyarrow`. "
        'Install them: pip install "paddle-palm[data]"'
    )
