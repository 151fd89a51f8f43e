"""A data file is UTF-8 text whose lines end at a line feed, or is refused with file and line."""

import pytest

from palm.data.dataset import ROWS
from palm.errors import DataError
from palm.reader.formats.files import FileProblems, quoted, read_lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"\xef\xbb\xbfa\nb", ["a", "b"]),
        (b"a\n\n\r\n", ["a"]),
        (b"a\n\t\n  \n", ["a", "\t", "  "]),
        (b"a\n\nb", ["a", "", "b"]),
        ("a\u2028b\x0bc\x85d\x0ce\nf".encode(), ["a\u2028b\x0bc\x85d\x0ce", "f"]),
        (b"a\rb\nc\r\r\n", ["a\rb", "c\r"]),
        ("北京\n".encode(), ["北京"]),
    ],
)
def test_lines(write, content, lines):
    assert list(read_lines(write("x.tsv", content))) == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.tsv: a data file must contain examples, found an empty file."),
        (b"\xef\xbb\xbf\n \n", "x.tsv: a data file must contain examples, found an empty file."),
        (b"a\nb\nol\xe9\n", "x.tsv:3: a data file must be UTF-8, found byte 0xe9 (column 3). Convert the file"),
        ("北京".encode("gb18030") + b"\n", "x.tsv:1: a data file must be UTF-8, found byte 0xb1 (column 1)."),
        ("label\ttext".encode("utf-16"), "x.tsv:1: a data file must be UTF-8, found byte 0xff (column 1)."),
        (b"a\nb\0c\n", "x.tsv:2: a data file must be text, found a NUL byte."),
        ("北京".encode()[:-1], "x.tsv:1: a data file must be UTF-8, found byte 0xe4 (column 4)."),
    ],
)
def test_what_is_no_text_is_refused(write, content, message):
    with pytest.raises(DataError) as caught:
        read_lines(write("x.tsv", content))
    assert message in str(caught.value)


def test_characters_across_the_blocks_of_a_large_file_are_whole(write, monkeypatch):
    monkeypatch.setattr("palm.reader.formats.files._BLOCK", 4)
    assert list(read_lines(write("x.tsv", "\ufeff北京\n大学\n"))) == ["北京", "大学"]


def test_every_line_that_is_no_utf8_is_named(write):
    with pytest.raises(DataError) as caught:
        read_lines(write("x.tsv", b"ok\n\xff\nok\n\xfe\0\n"))
    assert [problem.where.rpartition(":")[2] for problem in caught.value.problems] == ["2", "4"]


def test_no_such_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.tsv: the data file must be a file, found nothing\. Check the path\."):
        read_lines(tmp_path / "none.tsv")
    with pytest.raises(DataError, match="found a folder"):
        read_lines(tmp_path)


def test_twenty_problems_are_listed_and_the_rest_counted(tmp_path):
    problems = FileProblems(tmp_path / "x.tsv")
    for line in range(1, 51):
        problems.add("wrong", line=line)
    with pytest.raises(DataError) as caught:
        problems.raise_all()
    text = str(caught.value).splitlines()
    assert len(text) == 21
    assert text[19].endswith("x.tsv:20: wrong")
    assert text[20].endswith("x.tsv: and 30 more.")


def test_no_problem_raises_nothing(tmp_path):
    FileProblems(tmp_path).raise_all()


def test_rows_of_a_program_are_named_as_python_names_them():
    problems = FileProblems(ROWS)
    problems.add("first", line=1)
    problems.add("whole")
    with pytest.raises(DataError) as caught:
        problems.raise_all()
    assert [problem.where for problem in caught.value.problems] == ["rows[0]", "rows"]


def test_quotes_are_short_and_visible():
    assert quoted("a\tb\u200b北") == "`a\\tb\\u200b北`"
    assert quoted("x" * 100) == "`" + "x" * 59 + "…`"
    assert quoted(3) == "`3`"
