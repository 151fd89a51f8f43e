"""Reads CoNLL files: one word and its tag per line, a blank line between sentences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from palm.reader.formats.files import FileProblems, quoted, read_lines
from palm.spec import Phase

DOCUMENT_MARK = "-DOCSTART-"


@dataclass(frozen=True)
class Sentence:
    """Words of one sentence, and their tags if the file has them.

    Attributes:
        line: Line of its first word, counted from 1.
        words: The first column.
        labels: The last column; empty if the file only contains words.
    """

    line: int
    words: list[str]
    labels: list[str]


def read_conll(file: Path, problems: FileProblems, phase: Phase, *, encoding: str = "utf-8") -> Iterator[Sentence]:
    """Every sentence of `file`, one by one. Columns are separated by tabs, or by blanks in lines without a tab.

    The first column is the word, the last its tag; `-DOCSTART-` lines are document marks, not sentences.

    Raises:
        DataError: The file cannot be read.
    """
    width = 0
    for start, lines in _blocks(read_lines(file, encoding)):
        rows = [_columns(line) for line in lines]
        width = width or len(rows[0])
        for number, row in enumerate(rows, start):
            _check_row(row, number, width, problems, phase)
        labels = [row[-1] for row in rows] if width > 1 else []
        yield Sentence(start, [row[0] for row in rows], labels)
    if not width:
        problems.add("a data file must contain examples, found no sentence. Name another file.")


def _blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Groups of lines between blank lines, with the number of the first line."""
    block: list[str] = []
    for number, line in enumerate(chain(lines, [""]), 1):
        if line.strip() and not line.startswith(DOCUMENT_MARK):
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _columns(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else [cell for cell in line.split(" ") if cell]


def _check_row(row: list[str], number: int, width: int, problems: FileProblems, phase: Phase) -> None:
    if len(row) == 1 and phase != "predict":
        problems.add(f"expected a word and its tag, found one column {quoted(row[0])}. Add the tag.", line=number)
    elif len(row) != width:
        problems.add(
            f"expected {width} columns as in the first line, found {len(row)}. Use one separator throughout.",
            line=number,
        )
    elif not row[0].strip() or not row[-1].strip():
        problems.add(
            f"expected a word and its tag, found an empty column in {quoted(chr(9).join(row))}. Fill it in.",
            line=number,
        )
