"""Reads plain text: one text per line, blank lines between documents."""

from collections.abc import Iterator
from pathlib import Path

from palm.errors import counted
from palm.reader.fields import TableFields
from palm.reader.formats.cells import Row
from palm.reader.formats.columns import fits_guesses
from palm.reader.formats.files import FileProblems, read_lines
from palm.reader.formats.notes import add_note
from palm.reader.formats.tables import table_format

TEXT_ENDINGS = (".txt", ".text")


def text_format(config: TableFields, file: Path) -> str:
    """The format of a file of texts: `text` for a `.txt` without a header row, else that of a table."""
    if config.file_format != "auto" or not _is_named_text(file):
        return table_format(config, file)
    return "tsv" if has_header(config, file) else "text"


def has_header(config: TableFields, file: Path) -> bool:
    """Whether the first line of `file` names the column `text_a`, or has a name that people use for each column.

    Raises:
        DataError: The file cannot be read.
    """
    header = [cell.strip() for cell in next(read_lines(file, config.encoding), "").split("\t")]
    return config.column("text_a") in header or (len(header) > 1 and fits_guesses(config, header))


def read_plain_text(file: Path, problems: FileProblems, encoding: str = "utf-8") -> Iterator[Row]:
    """A row with `text_a` for each line that is not blank; the number of blank lines is noted.

    Raises:
        DataError: The file cannot be read.
    """
    blank, found_any = 0, False
    for number, line in enumerate(read_lines(file, encoding), 1):
        if line.strip():
            found_any = True
            yield Row(number, {"text_a": line})
        else:
            blank += 1
    if not found_any and not problems.count:
        problems.add("a data file must contain examples, found no text. Name another file.")
    between = f"; {counted(blank, 'blank line')} between texts {'is' if blank == 1 else 'are'} skipped" if blank else ""
    add_note(file, f"plain text, one text per line{between}.")


def _is_named_text(file: Path) -> bool:
    name = file.name.lower().removesuffix(".gz")
    return name.endswith(TEXT_ENDINGS)
