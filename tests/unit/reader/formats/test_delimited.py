"""csv and tsv become rows of cells, each with the line where it starts, however they are delimited and quoted."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.errors import DataError
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.formats.delimited import Delimited, read_delimited, sniff
from palm.reader.formats.files import FileProblems

ROWS = [("book", "a room, please"), ("ask", "where is\nthe hotel"), ("book", 'the "best" room'), ("问", "我爱；北京")]


@pytest.fixture
def read(tokenizer):
    def read_file(path, phase="train", **keys):
        return ClassificationReader(ClassificationReaderConfig(**keys), tokenizer).read(path, phase)

    return read_file


def csv_text(rows, **form):
    """As Python's csv module writes them."""
    stream = io.StringIO(newline="")
    csv.writer(stream, **form).writerows([("label", "text_a"), *rows])
    return stream.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_csv_as_writers_write_it(read, write, delimiter, quoting, bom):
    content = bom + csv_text(ROWS, delimiter=delimiter, quoting=quoting).encode()
    records = read(write("x.csv", content))
    assert [(record["label"], record["text_a"]) for record in records] == ROWS
    assert [record["line"] for record in records] == [2, 3, 5, 6]


def test_excel_writes_its_delimiter_above_the_header(read, write):
    records = read(write("x.csv", "sep=;\r\nlabel;text_a\r\nbook;a, b\r\n"))
    assert records == [{"line": 3, "label": "book", "text_a": "a, b"}]


def test_carriage_returns_alone_end_rows(read, write):
    assert [row["line"] for row in read(write("x.csv", "label,text_a\r1,a\r0,b\r"))] == [2, 3]


def test_a_csv_may_be_delimited_by_tabs_without_quoting(read, write):
    assert read(write("x.csv", 'label\ttext_a\n1\t"a\n0\tb, c\n')) == [
        {"line": 2, "label": "1", "text_a": '"a'},
        {"line": 3, "label": "0", "text_a": "b, c"},
    ]


def test_the_keys_win_over_what_the_file_suggests(read, write):
    file = write("x.csv", 'label,text_a;x\n1,"a";b\n')
    assert read(file, columns={"text_a": "text_a;x"}, quoting="none")[0]["text_a"] == '"a";b'
    assert read(write("y.tsv", 'label;text_a\n1;"a;b"\n'), delimiter=";")[0]["text_a"] == "a;b"
    assert read(write("z.tsv", 'label\ttext_a\n1\t"a"\n'), quoting="double")[0]["text_a"] == "a"
    assert read(write("b.csv", 'label,text_a\n1,"a \\"b\\", c"\n'), quoting="backslash")[0]["text_a"] == 'a "b", c'


def test_other_columns_and_an_index_without_a_name(read, write):
    assert read(write("x.csv", ",label , text_a\n0,1,a\n1,0,b\n"))[1] == {"line": 3, "label": "0", "text_a": "b"}


def test_a_cell_of_ten_megabytes(read, write):
    text = "我 " * 2_000_000
    assert read(write("x.csv", f'label,text_a\n1,"{text}"\n'))[0]["text_a"] == text


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (
            "label,text_a\n1,a, b\n0,c\n1\n",
            [
                "x.csv:2: expected 2 columns (label, text_a), found 3. Remove the extra `,`, or quote the text.",
                "x.csv:4: expected 2 columns (label, text_a), found 1. Add what is missing, separated by `,`.",
            ],
        ),
        (
            'label,text_a\n1,a\n0,"b\n1,c\n',
            ["x.csv:3: a quotation mark that opens a cell must close it before the next `,`, found one that does not "
             'close in lines 3 to 4. Double the marks inside a cell (`""`), or set quoting: none.'],
        ),
        (
            'label,text_a\n1,"a" b\n0,b\n',
            ['x.csv:2: a quotation mark that opens a cell must close it before the next `,`, found `1,"a" b`.'],
        ),
        ('label,text_a\n1,"a \\"b\\" c"\n', ["or set quoting: none, quoting: backslash."]),
        ("label,text_a\n\n1,a\n", ["x.csv:2: a line must contain one example, found a blank line."]),
        ("label,text_a,label\n1,a,1\n", ["x.csv:1: a column must occur once in the header row, found `label` twice."]),
        ("label,text_a\n", ["x.csv: a data file must contain examples, found only a header row."]),
        ("", ["x.csv: a data file must contain examples, found an empty file."]),
        (b"label,text_a\n1,a\0\n", ["x.csv:2: a data file must be text, found a NUL byte."]),
        ("x,y\n1,a\n", ["x.csv:1: the first row must name the columns, expected label, text_a, found `x,y`."]),
    ],
)  # fmt: skip
def test_what_a_csv_must_not_hold(read, write, content, messages):
    with pytest.raises(DataError) as caught:
        read(write("x.csv", content))
    for message in messages:
        assert message in str(caught.value)
    assert len(caught.value.problems) == len(messages)


def test_blank_lines_at_the_end_are_no_rows(read, write):
    assert len(read(write("x.csv", "label,text_a\n1,a\n\n\r\n"))) == 1
    assert [row["text_a"] for row in read(write("y.csv", 'text_a\na\n\n"b, c"\n'), "predict")] == ["a", "", "b, c"]


def test_rows_that_lone_quotation_marks_merge_are_named(read, write, caplog):
    file = write("x.csv", 'label,text_a\n1,"a cat\n0,sat"\n1,c\n')
    assert [row["text_a"] for row in read(file)] == ["a cat\n0,sat", "c"]
    assert "lines 2 to 3 are one row by their quotation marks, but as many rows by their delimiters" in caplog.text
    read(file)
    assert len(caplog.records) == 1, "said once"


def test_line_breaks_in_cells_are_not_suspicious(read, write, caplog):
    read(write("x.csv", csv_text(ROWS)))
    assert not caplog.records


CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(
    st.lists(st.tuples(CELL, CELL.filter(str.strip)), min_size=1, max_size=8),
    st.sampled_from([",", ";", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_rows_that_are_written_are_read_back(tmp_path_factory, rows, delimiter, quoting):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_text(csv_text(rows, delimiter=delimiter, quoting=quoting), encoding="utf-8", newline="")
    form = sniff(path, "utf-8", ["label", "text_a"], delimiter=None, quoting=None)
    assert form == Delimited(delimiter, "double")
    found = [tuple(cells) for _, cells in read_delimited(path, "utf-8", form, FileProblems(path))]
    assert found == [("label", "text_a"), *rows]


def test_the_form_is_said_in_words():
    assert str(Delimited(";", "double")) == "delimiter `;`, cells may be quoted"
    assert str(Delimited("\t", "none")) == "delimiter `\\t`, without quoting"


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        ("label,text_a\n1,a; b; c\n", ","),
        ("label;text_a\n1;a, b, c\n", ";"),
        ("label|text_a\n1|a, b; c\n", "|"),
        ("3;a, b\n4;c\n5;d, e\n", ";"),  # no header, or other names
        ("a\nb, c\n", ","),
        ('"class, or label",text_a\n1,a\n', ","),
    ],
)
def test_the_delimiter_is_that_of_the_header(write, head, delimiter):
    form = sniff(write("x.csv", head), "utf-8", ["label", "text_a"], delimiter=None, quoting=None)
    assert form.delimiter == delimiter
