"""Which format a file of tagged words has, by its ending or by what it looks like."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from palm.data.conllu_lines import COMMENT
from palm.reader.fields import TableFields
from palm.reader.formats.conll_layout import blocks, split_columns
from palm.reader.formats.files import read_lines
from palm.reader.formats.notes import add_note
from palm.reader.formats.plain_text import has_header
from palm.reader.formats.tables import table_format
from palm.reader.formats.tagged_lines import are_tagged_lines

MOST_LINES = 2_000
_LOOKS = {
    "conll": "one word per line",
    "lines": "a sentence and its tags per line",
}


def tagged_format(config: TableFields, file: Path) -> str:
    """The format of a file: as file_format or its ending says; without a header row, as its first lines look.

    Raises:
        DataError: The file cannot be read.
    """
    named = table_format(config, file)
    if named != "tsv" or config.file_format != "auto" or has_header(config, file):
        return named
    lines = list(islice(read_lines(file, config.encoding), MOST_LINES))
    found = "conll" if _is_conll(lines) else "lines" if are_tagged_lines(lines) else None
    if found is None:
        return named
    add_note(file, f"no header row, {_LOOKS[found]}: read as file_format: {found}.")
    return found


def is_table(config: TableFields, file: Path) -> bool:
    """Whether a file is a table: by file_format or its ending, or a tsv with a header row.

    Raises:
        DataError: The file cannot be read.
    """
    named = table_format(config, file)
    if named == "tsv":
        return config.file_format == "tsv" or has_header(config, file)
    return named in ("csv", "json", "jsonl")


def _is_conll(lines: Sequence[str]) -> bool:
    """Whether the lines are words in columns, in sentences with a blank line between."""
    sentences = list(blocks(line for line in lines if not line.startswith(COMMENT)))
    rows = [split_columns(line) for sentence in sentences for _, line in sentence]
    width = len(rows[0]) if rows else 0
    one_word = all(len(row) == width and not any(" " in cell.strip() for cell in row) for row in rows)
    return len(sentences) > 1 and width > 1 and one_word
