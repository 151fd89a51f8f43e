"""Reads a pair of files whose lines belong together, such as `train.en` and `train.zh` of OPUS."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from palm.errors import counted
from palm.reader.formats.cells import Row
from palm.reader.formats.files import FileProblems, check_text, open_text
from palm.reader.formats.notes import add_note

_PACKED = ".gz"


def beside(file: Path, ending: str) -> Path:
    """The file beside `file` with another ending: `train.zh` of `train.en`, and `train.zh.gz` of `train.en.gz`."""
    packed = file.suffix if file.suffix.lower() == _PACKED else ""
    plain = file.with_suffix("") if packed else file
    return plain.with_name(f"{plain.stem}.{ending}{packed}")


def read_parallel(sources: Path, targets: Path | None, problems: FileProblems, encoding: str) -> Iterator[Row]:
    """A row with `text_a` and `target` for each line of both files; pairs of blank lines are noted and skipped.

    Args:
        sources: The file of the texts.
        targets: The file of what they become; None to read the texts alone.
        problems: Collects problems of the first file.
        encoding: That of both files.

    Raises:
        DataError: A file cannot be read, or they have different numbers of lines.
    """
    if targets is not None:
        _check_counts(sources, targets, problems, encoding)
    blank, lines = 0, _lines(sources, encoding)
    others = _lines(targets, encoding) if targets is not None else iter(())
    for number, (text, target) in enumerate(zip_longest(lines, others, fillvalue=""), 1):
        if targets is not None and not text.strip() and not target.strip():
            blank += 1
        else:
            yield Row(number, {"text_a": text} if targets is None else {"text_a": text, "target": target})
    pairs = f" and {targets.name}" if targets is not None else ""
    skipped = f"; {counted(blank, 'pair')} of blank lines left out" if blank else ""
    add_note(sources, f"plain text, line by line of {sources.name}{pairs}{skipped}.")


def _check_counts(sources: Path, targets: Path, problems: FileProblems, encoding: str) -> None:
    first, second = (sum(1 for _ in _lines(file, encoding)) for file in (sources, targets))
    if first != second:
        rule = "line n of one file belongs to line n of the other, so both have as many lines"
        found = f"found {first} in {sources.name} and {second} in {targets}"
        problems.add(f"{rule}, {found}. Look for the first pair that does not belong together.")
        problems.raise_all()


def _lines(file: Path, encoding: str) -> Iterator[str]:
    """The lines of a text file, empty ones included."""
    check_text(file, encoding)
    with open_text(file, encoding, newline="\n") as stream:
        for raw in stream:
            yield raw.removesuffix("\n").removesuffix("\r")
