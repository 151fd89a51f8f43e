"""Reads plain lines without a header, `text<TAB>label`: the files of few-shot learning."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from palm.errors import counted
from palm.reader.formats.cells import Row
from palm.reader.formats.files import FileProblems, quoted, read_lines
from palm.reader.formats.notes import add_note
from palm.spec import Phase


def read_labelled_lines(
    file: Path, texts: Sequence[str], problems: FileProblems, phase: Phase, *, encoding: str, needs_label: bool
) -> Iterator[Row]:
    """A row of each line: the columns `texts` and `label`, separated by tabs; a line may have no label.

    Blank lines are skipped and counted; of a file to predict they are empty texts.

    Args:
        file: The file.
        texts: The columns of text.
        problems: Collects the problems.
        phase: Purpose of the file.
        encoding: Of the file.
        needs_label: Whether a line without a label is a problem.

    Raises:
        DataError: The file cannot be read.
    """
    blank, found_any = 0, False
    for number, line in enumerate(read_lines(file, encoding), 1):
        cells = line.split("\t")
        if not line.strip() and phase != "predict":
            blank += 1
        elif len(cells) == len(texts) + 1:
            found_any = True
            yield Row(number, dict(zip((*texts, "label"), cells, strict=True)))
        elif len(cells) == len(texts) and not needs_label:
            found_any = True
            label = {} if phase == "predict" else {"label": ""}
            yield Row(number, {**dict(zip(texts, cells, strict=True)), **label})
        else:
            problems.add(_wrong_width(line, texts, cells), line=number)
    if not found_any and not problems.count:
        problems.add("a data file must contain examples, found no text. Name another file.")
    if blank:
        add_note(file, f"{counted(blank, 'blank line')} {'is' if blank == 1 else 'are'} skipped.")


def _wrong_width(line: str, texts: Sequence[str], cells: Sequence[str]) -> str:
    rule = f"a line must be {', '.join(texts)} and label, separated by tabs"
    if len(cells) == len(texts):
        return f"{rule}, found no label in {quoted(line)}. Add it, or set on_missing_label: leave_out."
    return f"{rule}, found {counted(len(cells) - 1, 'tab')} in {quoted(line)}. Correct it, or name a table."
