"""errors.csv: opened by spreadsheets as it is meant, with all columns of the file."""

import csv
import io
from pathlib import Path

import pytest

from palm.analysis.errors_file import OWN_COLUMNS, cells_of, guarded, write_errors
from palm.analysis.task_analysis import WrongRow


def wrong(line: int | None, **columns: str) -> WrongRow:
    return WrongRow(
        row=0, line=line, columns=columns, gold="水", predicted="air", probability=0.75, gold_probability=0.25,
        loss=1.5, remark="",
    )  # fmt: skip


def read(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")'),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-说", "'-说"),
        ("＝1+1", "'＝1+1"),
        ("\t=1", "'\t=1"),
        ("-0.5", "-0.5"),
        ("- 1", "'- 1"),
        (-0.25, "-0.25"),
        (None, ""),
        (0.123456789, "0.123457"),
        ("a=b", "a=b"),
    ],
)
def test_what_a_spreadsheet_would_compute_is_a_text(cell, text):
    assert guarded(cell) == text


def test_the_table_is_utf8_with_a_mark_and_lines_of_windows(tmp_path):
    file = tmp_path / "new" / "errors.csv"
    write_errors({"意图": [wrong(3, text_a='他说"是", 走了\n再见')]}, {}, file)
    assert file.read_bytes().startswith(b"\xef\xbb\xbftask,line,gold,predicted")
    assert file.read_bytes().endswith(b"\r\n")
    [row] = read(file)
    assert row == {
        "task": "意图", "line": "3", "gold": "水", "predicted": "air", "probability": "0.75",
        "gold_probability": "0.25", "loss": "1.5", "remark": "", "text_a": '他说"是", 走了\n再见',
    }  # fmt: skip
    assert list(file.parent.iterdir()) == [file]


def test_columns_of_several_tasks_and_of_their_files(tmp_path):
    file = tmp_path / "errors.csv"
    rows = {"a": [wrong(2, text_a="x")], "b": [wrong(7, question="谁?"), wrong(None, question="?")]}
    cells = {"a": {2: {"句子": "x", "gold": "=1", "tags": ["B", "O"]}}}
    write_errors(rows, cells, file)
    first, second, third = read(file)
    assert list(first) == [*OWN_COLUMNS, "句子", "gold (file)", "tags", "question"]
    assert (first["句子"], first["gold (file)"], first["tags"], first["question"]) == ("x", "'=1", '["B", "O"]', "")
    assert (second["question"], third["line"]) == ("谁?", "")


def test_a_file_without_errors_has_a_header(tmp_path):
    write_errors({"a": []}, {}, tmp_path / "errors.csv")
    assert (tmp_path / "errors.csv").read_text(encoding="utf-8-sig").strip() == ",".join(OWN_COLUMNS)


def test_half_a_surrogate_pair_is_written_as_its_escape(tmp_path):
    write_errors({"a": [wrong(1, text_a="\ud83d")]}, {}, tmp_path / "errors.csv")
    assert read(tmp_path / "errors.csv")[0]["text_a"] == "\\ud83d"


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "errors.csv"
    file.write_text("before", encoding="utf-8")
    monkeypatch.setattr(csv.DictWriter, "writerow", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        write_errors({"a": [wrong(1, text_a="x")]}, {}, file)
    assert file.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl", "rows.json"])
def test_all_columns_of_the_file(tmp_path, name):
    import json

    from palm.reader.cls import ClassificationReaderConfig

    rows = [{"url": f"u{number}", "标签": "水", "文本": f"鱼{number}"} for number in range(4)]
    sign = "," if name.endswith("csv") else "\t"
    texts = {
        "json": "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]",
        "jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
    }
    table = "".join(sign.join(line) + "\n" for line in [rows[0], *(row.values() for row in rows)])
    file = tmp_path / name
    file.write_text(texts.get(name.partition(".")[2], table), encoding="utf-8")

    class OfReader:
        config = ClassificationReaderConfig()

    first = 1 if name.endswith("jsonl") else 2
    found = cells_of(OfReader(), file, [wrong(first + 2, text_a="鱼2")])
    assert found == {first + 2: rows[2]}
    assert cells_of(OfReader(), "rows", [wrong(1)]) == {}
    assert cells_of(OfReader(), file, []) == {}
    (tmp_path / "line.json").write_text(json.dumps(rows), encoding="utf-8")
    assert cells_of(OfReader(), tmp_path / "line.json", [wrong(1)]) == {}, "which of the rows in line 1?"
