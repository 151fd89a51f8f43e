"""Kept analyses: read while their model and rows are the same, made again otherwise."""

import json

import pytest

from palm.analysis.kept import VERSION, KeptAnalysis, kept_file, read_kept, rows_fingerprint, write_kept
from palm.analysis.task_analysis import TaskAnalysis


def kept() -> KeptAnalysis:
    analysis = TaskAnalysis(
        task="意图", paradigm="cls", data="dev.tsv", rows=1, of_rows=2, wrong=0, metrics={"f1": 0.5}
    )
    return KeptAnalysis(version=VERSION, model="a", rows="b", analysis=analysis)


def test_what_is_kept_is_read_again(tmp_path):
    file = kept_file(tmp_path, "意图")
    write_kept(kept(), file)
    assert read_kept(file) == kept()
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 1}', '{"version": 99}', "\x00", "[" * 100_000])
def test_a_damaged_file_is_made_again(tmp_path, text):
    file = tmp_path / "analysis.json"
    assert read_kept(file) is None
    file.write_text(text, encoding="utf-8")
    assert read_kept(file) is None


def test_a_later_version_is_made_again(tmp_path):
    file = tmp_path / "analysis.json"
    write_kept(kept(), file)
    content = {**json.loads(file.read_text(encoding="utf-8")), "version": VERSION + 1}
    file.write_text(json.dumps(content), encoding="utf-8")
    assert read_kept(file) is None


def test_rows_are_known_by_their_content_and_number(tmp_path):
    file = tmp_path / "dev.tsv"
    file.write_text("a", encoding="utf-8")
    first = rows_fingerprint(tmp_path, "t", str(file), 10)
    assert rows_fingerprint(tmp_path, "t", str(file), 10) == first
    assert rows_fingerprint(tmp_path, "t", str(file), 11) != first
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "dev_rows.json").write_text("{}", encoding="utf-8")
    second = rows_fingerprint(tmp_path, "t", str(file), 10)
    assert second != first
    file.write_text("b", encoding="utf-8")
    assert rows_fingerprint(tmp_path, "t", str(file), 10) != second
    assert rows_fingerprint(tmp_path, "t", "hf://name:dev", 10)
