"""Columns of CoNLL files are guessed by their values, or set, and comments are distinguished from words."""

from pathlib import Path

import pytest

from palm.errors import DataError
from palm.reader.formats.conll_layout import layout_of, split_columns
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import collected_notes


def layout(text, columns=None, phase="train", name="x.conll"):
    problems = FileProblems(Path(name))
    with collected_notes() as notes:
        found = layout_of(Path(name), text.split("\n"), columns or {}, problems, phase)
    problems.raise_all()
    return (found.width, found.word, found.label), notes


CONLL03 = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n北京 NN B-NP B-LOC\n"
GERMEVAL = "# http://x\n1\tAachen\tB-LOC\tO\n2\tist\tO\tO\n\n# y\n1\t我\tO\tO\n"
CONLLU = (
    "1\tthe\tthe\tDET\tDT\t_\t2\tdet\t_\t_\n2-3\tdogs\t_\t_\t_\t_\t_\t_\t_\t_\n2\tdog\tdog\tNOUN\tNN\t_\t0\t_\t_\t_\n"
)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("the O\ncat B-x\n", (2, 0, 1)),
        ("B-PER anna\nO met\n", (2, 1, 0)),
        ("B-PER\t安娜\nO\t爱\n", (2, 1, 0)),
        ("the DT\ncat NN\n", (2, 0, 1)),  # no tag looks like one: the last column
        ("NN the\nDT cat\n", (2, 0, 1)),
        (CONLL03, (4, 0, 3)),
        ("the B-x _ 7\ncat O _ 8\n", (4, 0, 1)),
        (GERMEVAL, (4, 1, 3)),
        ("1 the B-x\n2 cat O\n", (3, 1, 2)),
        ("2010 was B-x\n2011 is O\n", (3, 0, 2)),  # numbers that do not count are words
        ("PER-B anna\nO met\n", (2, 1, 0)),
        ("the\ncat\n", (1, 0, None)),
        (CONLLU, (10, 1, 3)),
        ("# global.columns = ID FORM NE\n1\tthe\tO\n", (3, 1, 2)),
        ("# global.columns = FORM UPOS NE\nthe\tDET\tO\n", (3, 0, 1)),
    ],
)
def test_guesses(text, places):
    assert layout(text)[0] == places


@pytest.mark.parametrize(
    ("text", "columns", "places"),
    [
        (CONLL03, {"label": "2"}, (4, 0, 2)),
        (CONLL03, {"text_a": "1", "label": "-1"}, (4, 1, 3)),
        (CONLL03, {"text_a": "3"}, (4, 3, None)),
        ("B-PER anna\nO met\n", {"label": "0"}, (2, 1, 0)),
        ("the cat\nsat mat\n", {"label": "0"}, (2, 1, 0)),
        (GERMEVAL, {"label": "2"}, (4, 1, 2)),
        (CONLLU, {"label": "XPOS"}, (10, 1, 4)),
        (CONLLU, {"text_a": "lemma", "label": "deprel"}, (10, 2, 7)),
        (CONLLU, {"label": "9"}, (10, 1, 9)),
    ],
)
def test_columns_that_are_set(text, columns, places):
    found, notes = layout(text, columns)
    assert found == places
    assert notes == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": "4"}, "x.conll: the file has 4 columns, found `columns: {label: 4}`. Columns count from 0."),
        ({"text_a": "-5"}, "x.conll: the file has 4 columns, found `columns: {text_a: -5}`."),
    ],
)
def test_columns_that_are_not_there(columns, message):
    with pytest.raises(DataError) as caught:
        layout(CONLL03, columns)
    assert message in str(caught.value)


def test_names_that_conllu_does_not_have():
    with pytest.raises(DataError, match=r"the columns are ID, FORM, .*, found `columns: \{label: NER\}`"):
        layout(CONLLU, {"label": "NER"})


def test_names_of_a_table_say_nothing_here():
    places, notes = layout("the O\ncat B-x\n", {"text_a": "sentence1"})
    assert places == (2, 0, 1)
    assert notes == [
        "columns of a CoNLL file have numbers, not names, so `columns: {text_a: sentence1}` says nothing. "
        "Write a number, from 0."
    ]


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("the O\ncat B-x\n", []),
        (
            "B-PER anna\nO 爱\n",
            [
                "words in column 1 (`anna`, `爱`), tags in column 0 (`B-PER`, `O`). "
                "`columns: {text_a: 1, label: 0}` says so or otherwise."
            ],
        ),
        (
            CONLL03,
            [
                "words in column 0 (`EU`, `rejects`, `北京`), tags in column 3 (`B-ORG`, `O`, `B-LOC`); column 2 may "
                "hold tags as well. `columns: {text_a: 0, label: 3}` says so or otherwise."
            ],
        ),
        (
            CONLLU,
            [
                "CoNLL-U: words in column 1 FORM (`the`, `dogs`, `dog`), tags in column 3 UPOS (`DET`, `NOUN`). "
                "`columns: {text_a: 1, label: 3}` says so or otherwise."
            ],
        ),
    ],
)
def test_guesses_are_noted(text, notes):
    assert layout(text)[1] == notes


@pytest.mark.parametrize(
    ("text", "line", "is_comment"),
    [
        ("anna\tB-PER\n", "# text = anna met", True),
        ("anna\tB-PER\n", "###MEDLINE:123", True),
        ("anna\tB-PER\n", "#photography\tO", False),
        ("anna\tB-PER\n", "#\tNEW", False),
        ("anna _ _ B-PER\n", "# id a1b2 domain=en", True),
        ("anna _ _ B-PER\n", "#北京 _ _ B-LOC", False),
        ("anna B-PER\n", "# newdoc", True),
        ("anna B-PER\n", "# O", False),
        ("anna NN\n", "#anna NN", False),  # a tag of the file
        ("anna NN\n", "#anna XX", True),
        ("anna\n", "#photography", False),
        ("anna\n", "# text", True),
        ("anna O\n", "anna O", False),
    ],
)
def test_comments(text, line, is_comment):
    assert layout_of(Path("x"), text.split("\n"), {}, FileProblems(Path("x")), "train").is_comment(line) is is_comment


@pytest.mark.parametrize(
    ("line", "width", "cells"),
    [
        ("the\tO", 2, ["the", "O"]),
        (" \tO", 2, [" ", "O"]),
        ("the  DT O", 3, ["the", "DT", "O"]),
        ("  O", 2, [" ", "O"]),
        (" the O", 2, ["the", "O"]),
        ("\u3000 O", 2, ["\u3000", "O"]),
    ],
)
def test_cells(line, width, cells):
    assert split_columns(line, width) == cells
