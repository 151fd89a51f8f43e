"""Reads CoNLL files and CoNLL-U: one word and its tag per line, a blank line between sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from palm.data.lemma_rules import lemma_rule
from palm.reader.formats.conll_layout import ConllLayout, blocks, layout_of, split_columns
from palm.reader.formats.files import FileProblems, quoted, read_lines
from palm.reader.formats.notes import LineCounts, add_note
from palm.spec import Phase

NumberedRow = tuple[int, list[str]]


@dataclass(frozen=True)
class Sentence:
    """Words of one sentence, and their tags if the file has them.

    Attributes:
        line: Line of its first word, counted from 1.
        words: The words.
        labels: Their tags; empty if the file only contains words.
    """

    line: int
    words: list[str]
    labels: list[str]


def read_conll(
    file: Path,
    problems: FileProblems,
    phase: Phase,
    columns: Mapping[str, str] | None = None,
    *,
    encoding: str = "utf-8",
) -> Iterator[Sentence]:
    """Every sentence of `file`, one by one. Columns are separated by tabs, or by blanks in lines without a tab.

    `columns` says which columns hold the word (`text_a`) and its tag (`label`). By default they are the first and the
    last, or those that look so; in CoNLL-U FORM and UPOS, without multiword ranges and empty nodes. `-DOCSTART-` lines
    and comments (#) at the start of a sentence are skipped; a word may be a blank. What is skipped is noted.

    Raises:
        DataError: The file cannot be read.
    """
    layout = layout_of(file, read_lines(file, encoding), columns or {}, problems, phase)
    skipped = LineCounts()
    found_any = False
    header_is_next = layout.has_header
    for block in blocks(read_lines(file, encoding)):
        rows = list(_rows(block, layout, skipped))
        if rows and header_is_next:
            (number, row), *rows = rows
            add_note(file, f"line {number} names the columns ({', '.join(row)}) and is skipped.")
            header_is_next = False
        for number, row in rows:
            _check_row(row, number, layout, problems, phase)
        if rows:
            found_any = True
            yield _sentence(rows, layout, skipped)
    if not found_any:
        problems.add("a data file must contain examples, found no sentence. Name another file.")
    skipped.note(file)


def _rows(block: list[tuple[int, str]], layout: ConllLayout, skipped: LineCounts) -> Iterator[NumberedRow]:
    started = False
    for number, line in block:
        if not started and layout.is_comment(line):
            skipped.add(("comment line (#) is skipped", "comment lines (#) are skipped"), number)
            continue
        started = True
        row = split_columns(line, layout.width)
        if layout.has_ids and not row[0].isdecimal() and row[0].replace("-", "").replace(".", "").isdecimal():
            skipped.add(
                ("multiword range or empty node is skipped", "multiword ranges and empty nodes are skipped"), number
            )
        else:
            yield number, row


def _sentence(rows: list[NumberedRow], layout: ConllLayout, skipped: LineCounts) -> Sentence:
    whole = [(number, row) for number, row in rows if len(row) == layout.width]  # others are problems
    for number, row in whole:
        if not row[layout.word].strip():
            skipped.add(
                ("word is a blank, which the model sees as [UNK]", "words are blanks, which the model sees as [UNK]"),
                number,
            )
    labels = [] if layout.label is None else [_label(row, layout.word, layout.label, layout) for _, row in whole]
    return Sentence(rows[0][0], [row[layout.word] for _, row in whole], labels)


def _label(row: list[str], word: int, label: int, layout: ConllLayout) -> str:
    tag = row[label].strip()
    return lemma_rule(row[word], tag) if layout.has_lemmas else tag


def _check_row(row: list[str], number: int, layout: ConllLayout, problems: FileProblems, phase: Phase) -> None:
    if len(row) == 1 and phase != "predict":
        problems.add(f"expected a word and its tag, found one column {quoted(row[0])}. Add the tag.", line=number)
    elif len(row) != layout.width:
        problems.add(
            f"expected {layout.width} columns as in the first line, found {len(row)}. Use one separator throughout.",
            line=number,
        )
    elif not row[layout.word] or (layout.label is not None and not row[layout.label].strip()):
        problems.add(
            f"expected a word and its tag, found an empty column in {quoted(chr(9).join(row))}. Fill it in.",
            line=number,
        )
