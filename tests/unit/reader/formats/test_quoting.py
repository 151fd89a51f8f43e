"""A tsv is without quoting unless only a csv writer can have written it; the guess is reported and merges no row."""

import csv
import io

import pytest

from palm.reader.formats.quoting import quoting_of_tsv

HEADER = "label\ttext_a\n"


@pytest.fixture
def quoting(write, caplog):
    """The quoting of a tsv, and the messages about it."""

    def of(text):
        caplog.clear()
        return quoting_of_tsv(write("x.tsv", text), "utf-8"), caplog.text

    return of


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "1\ta\n",
        HEADER + '1\tsay "a"\n',
        HEADER + '1\t"a\n',  # a lone mark
        HEADER + '1\t"unbalanced, ""twice"" and so\n"0"\t"a\n',
        HEADER + '1\t"a"\n0\tb\n',  # no csv writer quotes this cell and not the others
        HEADER + '1\t"a" said she\n0\t"he said ""b"""\n',
        HEADER + '1\t""\n',
        HEADER + '1\t"a\n0\tb"\n0\t"c"\n1\t"d\n',
        'label\t"text_a\n1\ta\n',
        HEADER + '1\t"a""b"\tc\n0\td\n',  # rows of other widths
    ],
)
def test_quotation_marks_are_characters(quoting, text):
    assert quoting(text) == ("none", "")


def written(rows, **form):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter="\t", lineterminator="\n", **form).writerows([("label", "text_a"), *rows])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("rows", "form"),
    [
        ([("1", "a"), ("0", "b")], {"quoting": csv.QUOTE_ALL}),
        ([("1", 'he said "b"'), ("0", "c")], {}),
        ([("1", "a\tb"), ("0", "c")], {}),
        ([("1", "a\nb c"), ("0", "我\n爱")], {}),
    ],
)
def test_what_only_a_csv_writer_writes(quoting, rows, form):
    found, said = quoting(written(rows, **form))
    assert found == "double"
    assert "cells in quotation marks are read without them" in said
    assert "Set quoting: none to keep them." in said


def test_a_quoted_header_needs_no_other_sign(quoting):
    found, said = quoting('"label"\t"text_a"\n"book"\t"a room"\n"ask"\t"where"\n')
    assert found == "double"
    assert "since the header is" in said


@pytest.mark.parametrize(
    "text",
    [
        'text_a\n"where is\nthe hotel"\na\n',
        HEADER + '1\t"a\n0\tb"\n',
    ],
)
def test_of_two_right_readings_the_one_that_merges_no_row_is_taken_and_said(quoting, text):
    lines = text.count("\n")
    found, said = quoting(text)
    assert found == "none"
    assert f"{lines} lines are {lines - 1} rows if quotation marks stand around cells with line breaks" in said
    assert "It is read without; set quoting: double if that is wrong." in said
