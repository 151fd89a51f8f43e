"""Files of texts with spans: JSON lines, lists, printed over several lines; lines are those of the file."""

import json
from pathlib import Path
from random import Random

import pytest

from palm.errors import DataError
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import collected_notes
from palm.reader.formats.span_files import is_span_file, read_span_file
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig
from tests.reader_faults import TOKENIZER, Case, corpus, mutations

ROWS = [{"text": "安娜 met", "label": [[0, 2, "PER"]]}, {"text": "Bo", "label": []}]


def read(file):
    problems = FileProblems(file)
    with collected_notes() as notes:
        rows = list(read_span_file(file, "text_a", "label", problems))
    problems.raise_all()
    return [(row.line, row.content.text, len(row.content.spans or ())) for row in rows], notes


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), [1, 2]),
        ("\n\n".join(json.dumps(row) for row in ROWS) + "\n\n", [1, 3]),
        (json.dumps(ROWS, ensure_ascii=False), [1, 1]),
        (json.dumps(ROWS, indent=1), [2, 12]),
        ("[\n" + ",\n".join(json.dumps(row) for row in ROWS) + "\n]\n", [2, 3]),
        ('["安娜 met", {"entities": [[0, 2, "PER"]]}]\n["Bo", {"entities": []}]\n', [1, 2]),
        ('[["安娜 met", {"entities": [[0, 2, "PER"]]}],\n ["Bo", {"entities": []}]]\n', [1, 2]),
    ],
)
def test_files(write, content, lines):
    file = write("x.json", content)
    assert is_span_file(file, "text_a", "label", may_be_text=False)
    assert read(file)[0] == [(lines[0], "安娜 met", 1), (lines[1], "Bo", 0)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", '{"text_a": "the cat", "label": "O O"}\n'),
        ("x.jsonl", '{"text": "the cat"}\n'),
        ("x.json", '{"text"'),
        ("x.json", "[]"),
        ("x.tsv", json.dumps(ROWS[0])),
    ],
)
def test_other_files(write, name, content):
    assert not is_span_file(write(name, content), "text_a", "label", may_be_text=False)


def test_a_text_is_enough_where_one_may_be_alone(write):
    assert is_span_file(write("x.jsonl", '{"text": "the cat"}\n'), "text_a", "label", may_be_text=True)


FORMS = [
    "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS),
    json.dumps(
        [
            {
                "data": {"text": "我 the cat"},
                "annotations": [{"result": [{"value": {"start": 0, "end": 1, "labels": ["x"]}}]}],
            }
        ]
    ),
    '["我 the cat", {"entities": [[2, 5, "x"]]}]\n',
    json.dumps({"text": "我 the cat", "label": {"x": {"the": [[2, 4]]}}}),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("drop", ["error", "drop"])
def test_any_bytes_are_read_or_refused(write, form, drop):
    """A file is read or refused with its name, whatever it holds."""
    reader = TaggingReader(TaggingReaderConfig(file_format="spans", on_bad_span=drop), TOKENIZER)
    case = Case("seq_label", "jsonl", form.encode())
    chance = Random(1)
    contents = [content for _, content in corpus(case, longest=20_000)] + list(mutations(case, 300, chance))
    for content in contents:
        file = write("x.jsonl", content)
        try:
            with collected_notes():
                records = reader.read(file, "train")
            reader.prepare(records, "train")
            reader.encode(records, file, "train")
        except DataError as error:
            assert all(problem.where.startswith(str(file)) for problem in error.problems)  # noqa: PT017 (or it is read)
        reader.labels = None


def test_spacys_binary_form_is_refused_by_name():
    with pytest.raises(DataError, match=r"x\.spacy: spaCy's DocBin is binary, which PALM does not read. Write its"):
        is_span_file(Path("x.spacy"), "text_a", "label", may_be_text=False)


def test_notes(write):
    file = write("x.jsonl", json.dumps(ROWS[0]) + '\n{"data": {"text": "我"}, "annotations": [{"result": []}, {}]}\n')
    assert read(file)[1] == [
        "spans of characters in the form of doccano, Label Studio; they become tags of words.",
        "1 row has annotations of other kinds or annotators, which are ignored, such as line 2.",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a", "label": []}\n{"id": 3}\n', "x.json:2: a row must be a text with spans, as in doccano"),
        ('{"text": "a", "label": []}\n{"text": \n{"text"}\n', "x.json:2: a row must be JSON, found invalid JSON"),
        ('{"text": "a", "label": []}\n{"text": \n7\n', "x.json:3: a row must be a text with spans, as in"),
        ('[{"text": "a", "label": []},\n {"text": ]', "x.json:2: a row must be JSON, found invalid JSON"),
        ('{"version": 1, "paragraphs": []}', "found the fields version, paragraphs."),
    ],
)
def test_what_is_refused(write, content, message):
    with pytest.raises(DataError) as caught:
        read(write("x.json", content))
    assert message in str(caught.value)
