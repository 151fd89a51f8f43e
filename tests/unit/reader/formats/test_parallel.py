"""Pairs of files whose lines belong together: their lines one by one, and as many in both."""

import gzip

import pytest

from palm.errors import DataError
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import collected_notes
from palm.reader.formats.parallel import beside, read_parallel


@pytest.fixture
def read(write):
    def read_files(sources, targets, name="train.en", other="train.zh"):
        file, second = write(name, sources), None if targets is None else write(other, targets)
        with collected_notes() as notes:
            rows = list(read_parallel(file, second, FileProblems(file), "utf-8"))
        return [(row.line, row.values) for row in rows], notes

    return read_files


@pytest.mark.parametrize(
    ("name", "other"),
    [("train.en", "train.zh"), ("Books.en-zh.en", "Books.en-zh.zh"), ("a.EN.gz", "a.zh.gz"), ("语料", "语料.zh")],
)
def test_the_file_of_targets(tmp_path, name, other):
    assert beside(tmp_path / name, "zh") == tmp_path / other


def test_lines_belong_together(read):
    """With a BOM, CRLF, and a last line without an end."""
    rows, notes = read("\ufeffthe cat\r\n\r\na film\r\n".encode(), "猫\n\n电影")
    assert rows == [(1, {"text_a": "the cat", "target": "猫"}), (3, {"text_a": "a film", "target": "电影"})]
    assert notes == ["plain text, line by line of train.en and train.zh; 1 pair of blank lines left out."]


def test_packed_files(read):
    rows, _ = read(gzip.compress(b"the cat\n"), gzip.compress("猫\n".encode()), "a.en.gz", "a.zh.gz")
    assert rows == [(1, {"text_a": "the cat", "target": "猫"})]


def test_texts_alone(read):
    rows, notes = read("the cat\n\n我\n", None)
    assert rows == [(1, {"text_a": "the cat"}), (2, {"text_a": ""}), (3, {"text_a": "我"})]
    assert notes == ["plain text, line by line of train.en."]


@pytest.mark.parametrize("targets", ["猫\n", "猫\n\n我\n"])
def test_files_of_different_lengths_are_refused_with_both_counts(read, targets):
    count = targets.count("\n")
    with pytest.raises(DataError, match=rf"train\.en: .* found 2 in train\.en and {count} in .*train\.zh"):
        read("the cat\na film\n", targets)
