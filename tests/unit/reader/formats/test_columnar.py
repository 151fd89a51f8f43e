"""Parquet, arrow, workbooks and hub data sets become tables, or are refused with the reason."""

import json
import shutil
import sys
from zipfile import ZipFile

import pytest

from palm.errors import DataError
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.formats import columnar
from palm.reader.formats.columnar import is_saved_dataset, open_columnar, open_hub

datasets = pytest.importorskip("datasets", reason="the extra `data`")
openpyxl = pytest.importorskip("openpyxl", reason="the extra `data`")

FEATURES = datasets.Features(
    {
        "label": datasets.ClassLabel(names=["差", "好"]),
        "text_a": datasets.Value("string"),
        "tags": datasets.Sequence(datasets.ClassLabel(names=["O", "B-地名"])),
    }
)
DATA = {"label": [1, 0, -1], "text_a": ["我爱北京", "the cat", None], "tags": [[0, 1], [0], []]}


@pytest.fixture
def dataset():
    return datasets.Dataset.from_dict(DATA, features=FEATURES)


@pytest.fixture
def read(tokenizer):
    def read_file(path, phase="train", **keys):
        return ClassificationReader(ClassificationReaderConfig(**keys), tokenizer).read(path, phase)

    return read_file


def opened(path, **keys):
    return open_columnar(path, **{"sheet": None, "has_header": True, **keys})


def save_as(kind, dataset, folder):
    if kind == "parquet":
        dataset.to_parquet(str(folder / "x.parquet"))
        return folder / "x.parquet"
    dataset.save_to_disk(str(folder / "saved"))
    return folder / "saved" if kind == "folder" else next((folder / "saved").glob("*.arrow"))


@pytest.mark.parametrize("kind", ["parquet", "folder", "arrow"])
def test_classes_of_features_have_their_names(kind, dataset, tmp_path):
    table = opened(save_as(kind, dataset, tmp_path))
    assert table.columns == ("label", "text_a", "tags")
    assert table.label_names("label") == ("差", "好")
    assert table.label_names("tags") == ("O", "B-地名")
    assert list(table.named_rows()) == [
        {"label": "好", "text_a": "我爱北京", "tags": ["O", "B-地名"]},
        {"label": "差", "text_a": "the cat", "tags": ["O"]},
        {"label": None, "text_a": None, "tags": []},
    ]


def test_more_rows_than_a_block(tmp_path):
    file = save_as("parquet", datasets.Dataset.from_dict({"n": list(range(2500))}), tmp_path)
    assert [row["n"] for row in opened(file)] == list(range(2500))
    assert len(opened(file)) == 2500


def test_the_rows_of_a_table_are_numbered_from_one(dataset, tmp_path, read):
    with pytest.raises(DataError, match=r"x\.parquet:3: `(label|text_a)` must"):
        read(save_as("parquet", dataset, tmp_path))


def test_columns_have_the_names_of_the_key_or_palms_own(tmp_path, read):
    data = datasets.Dataset.from_dict({"s": ["1"], "r": ["the cat"]})
    file = save_as("parquet", data, tmp_path)
    assert read(file, columns={"label": "s", "text_a": "r"})[0]["text_a"] == "the cat"
    with pytest.raises(DataError, match=r"x\.parquet:1: expected the fields label, text_a, missing: label, text_a"):
        read(file)


def test_a_folder_with_splits_asks_for_one(dataset, tmp_path):
    datasets.DatasetDict({"train": dataset, "test": dataset}).save_to_disk(str(tmp_path / "all"))
    with pytest.raises(DataError, match=r"a folder with several splits needs the name of one\. Found .*train`, "):
        opened(tmp_path / "all")
    assert len(opened(tmp_path / "all" / "test")) == 3
    assert is_saved_dataset(tmp_path / "all")
    assert not is_saved_dataset(tmp_path)
    assert opened(tmp_path) is None


@pytest.mark.parametrize("ending", ["parquet", "arrow", "xlsx"])
def test_other_content_is_refused_by_name(ending, write):
    with pytest.raises(DataError, match=rf"x\.{ending}: it cannot be read: .*\. Correct or replace it\."):
        opened(write(f"x.{ending}", b"no such file" * 100))


@pytest.mark.parametrize(
    ("ending", "module"), [("parquet", "pyarrow.parquet"), ("arrow", "datasets"), ("xlsx", "openpyxl")]
)
def test_a_missing_package_says_what_to_install(ending, module, write, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        DataError, match=r'of the extra `data`\. Found no module `.*`\. Install them: pip install "paddle'
    ):
        opened(write(f"x.{ending}", b"x"))


def workbook(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_cells_of_a_workbook_are_text(tmp_path, read):
    rows = [
        [" label ", "text_a", None],
        [1, 2020],
        [2.0, "a\nb", None],
        [True, "我爱北京", "x"],
        [None, None],
        [3, 1.5],
    ]
    file = workbook(tmp_path / "x.xlsx", {"表": rows})
    table = opened(file)
    assert [(row["label"], row["text_a"]) for row in table] == [
        ("1", "2020"), ("2", "a\nb"), ("TRUE", "我爱北京"), ("", ""), ("3", "1.5"),
    ]  # fmt: skip
    with pytest.raises(DataError) as caught:
        read(file)
    assert {problem.where.rpartition(":")[2] for problem in caught.value.problems} == {"5"}, "its row in the sheet"


def test_sheets_are_chosen_by_name_and_the_choice_is_reported(tmp_path, read, caplog):
    file = workbook(
        tmp_path / "x.xlsx", {"一": [["label", "text_a"], ["1", "a"]], "二": [["x"], ["label", "text_a"], [0, "b"]]}
    )
    assert read(file)[0]["text_a"] == "a"
    assert "of 2 sheets the first is read, `一`. Set `sheet` for another." in caplog.text
    with pytest.raises(DataError, match=r"`sheet` must be the name of a sheet, found `三`\. Sheets: `一`, `二`\."):
        read(file, sheet="三")
    with pytest.raises(DataError, match=r"x\.xlsx:2: expected the fields label, text_a"):
        read(file, sheet="二")


def test_a_workbook_without_a_header_or_without_rows(tmp_path, read):
    file = workbook(tmp_path / "x.xlsx", {"a": [[None], ["1", "a cat"], ["0", "我"]]})
    found = read(file, header=False, columns={"label": "0", "text_a": "1"})
    assert [(row["line"], row["label"]) for row in found] == [(2, "1"), (3, "0")]
    for rows in ([], [["label", "text_a"]]):
        with pytest.raises(DataError, match="found no row"):
            read(workbook(tmp_path / "y.xlsx", {"a": rows}))
    twice = workbook(tmp_path / "z.xlsx", {"a": [["label", "label"], [1, 2]]})
    with pytest.raises(DataError, match=r"z\.xlsx:1: a column must occur once in the header row, found `label` twice"):
        read(twice)


def test_the_rows_of_a_workbook_are_read_one_by_one(tmp_path, monkeypatch):
    file = workbook(tmp_path / "x.xlsx", {"a": [["label", "text_a"], *([1, f"行 {n}"] for n in range(500)), [None]]})
    table = opened(file)
    assert len(table) == 500
    seen = []
    monkeypatch.setattr(columnar, "_cell_text", lambda value: seen.append(value) or str(value))
    rows = iter(table)
    assert next(rows) == {"label": "1", "text_a": "行 0"}
    assert len(seen) == 4, "the header and one row"
    assert sum(1 for _ in rows) == 499


def test_a_workbook_that_understates_its_extent_loses_no_cell(tmp_path):
    rows = [["label", "text_a"], [1, "一"], [], [0, "二"]]
    file = workbook(tmp_path / "x.xlsx", {"a": rows})
    with ZipFile(file) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with ZipFile(tmp_path / "y.xlsx", "w") as book:
        for name, content in parts.items():
            book.writestr(name, content.replace(b'<dimension ref="A1:B4"', b'<dimension ref="A1"'))
    assert list(opened(tmp_path / "y.xlsx")) == list(opened(file))
    assert [row["text_a"] for row in opened(tmp_path / "y.xlsx")] == ["一", "", "二"]


@pytest.fixture
def hub_cache(dataset, tmp_path, monkeypatch):
    """A cache of `datasets` that holds owner/reviews as if it had been loaded from the hub, without a network."""
    file, cache = save_as("parquet", dataset, tmp_path), tmp_path / "cache"
    datasets.load_dataset("parquet", data_files={"train": str(file)}, cache_dir=str(cache))
    made = next(cache.glob("parquet/*/0.0.0/*/dataset_info.json")).parent
    home = cache / "owner___reviews" / "default" / "0.0.0" / ("0" * 40)
    shutil.copytree(made, home)
    (home / "parquet-train.arrow").rename(home / "reviews-train.arrow")
    info = json.loads((home / "dataset_info.json").read_text(encoding="utf-8"))
    info |= {"dataset_name": "reviews", "config_name": "default"}
    info["splits"]["train"]["dataset_name"] = "reviews"
    (home / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("hub_cache")
def test_a_hub_data_set_comes_from_the_cache_when_offline():
    table = open_hub("hf://owner/reviews:train")
    assert table.source == "hf://owner/reviews:train"
    assert [row["label"] for row in table.named_rows()] == ["好", "差", None]
    assert len(open_hub("hf://owner/reviews:train[:2]")) == 2
    assert table.fingerprint == open_hub("hf://owner/reviews:train").fingerprint


@pytest.mark.usefixtures("hub_cache")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://owner/reviews:test", "Unknown split \"test\". Should be one of \\['train'\\]. Check the name"),
        ("hf://owner/others:train", "with HF_HUB_OFFLINE=1 only what was loaded before is there"),
        ("hf://owner/reviews", r"a hub data set is named hf://name\[/config\]:split"),
        ("hf://a/b/c/d:train", r"a hub data set is named hf://name\[/config\]:split"),
        ("hf://../x:train", "a hub data set is named"),
    ],
)
def test_what_a_hub_does_not_hold(name, message):
    with pytest.raises(DataError, match=message):
        open_hub(name)


@pytest.mark.usefixtures("hub_cache")
def test_a_folder_of_that_name_is_not_taken_for_it(tmp_path):
    (tmp_path / "owner" / "reviews").mkdir(parents=True)
    with pytest.raises(DataError, match="a hub data set is meant, found a folder `owner/reviews` of that name"):
        open_hub("hf://owner/reviews:train")
