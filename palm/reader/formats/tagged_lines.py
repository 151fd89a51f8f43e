"""Reads sentences with their tags on one line: `word/TAG word/TAG`, or words and tags between which a tab stands."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from palm.reader.formats.cells import Row
from palm.reader.formats.conll_layout import TAG
from palm.reader.formats.files import FileProblems, quoted, read_lines
from palm.spec import Phase

_TAGGED_WORD = re.compile(r".+/[A-Za-z][^\s/]*")


def are_tagged_lines(lines: Iterable[str]) -> bool:
    """Whether each line that is not blank has one of the two forms."""
    filled = [line for line in lines if line.strip()]
    return bool(filled) and all(_has_columns(line) or _is_slashed(line) for line in filled) and not _is_header(filled)


def read_tagged_lines(file: Path, problems: FileProblems, phase: Phase, encoding: str = "utf-8") -> Iterator[Row]:
    """A row of each line, with lists of words (`text_a`) and tags (`label`); a line to predict may be words alone.

    Raises:
        DataError: The file cannot be read.
    """
    for number, line in enumerate(read_lines(file, encoding), 1):
        if "\t" in line:
            words, _, tags = line.partition("\t")
            yield Row(number, {"text_a": words, "label": tags})
        elif _is_slashed(line):
            pairs = [token.rpartition("/") for token in line.split()]
            yield Row(number, {"text_a": [word for word, _, _ in pairs], "label": [tag for _, _, tag in pairs]})
        elif phase == "predict":
            yield Row(number, {"text_a": line})
        else:
            rule = "a line must hold words with tags, `word/TAG word/TAG`, or words, a tab and as many tags"
            problems.add(f"{rule}. Found {quoted(line)}. Correct or remove it.", line=number)


def _has_columns(line: str) -> bool:
    words, tab, tags = line.partition("\t")
    return bool(tab) and "\t" not in tags and len(words.split(" ")) > 0 and len(words.split()) == len(tags.split()) > 0


def _is_header(lines: Sequence[str]) -> bool:
    """Whether the first line names columns: what would be its tag is none elsewhere, and looks like none."""
    first, *others = (line.partition("\t")[2].split() for line in lines if "\t" in line) if "\t" in lines[0] else [[]]
    known = {tag for tags in others for tag in tags}
    return len(first) == 1 and first[0] not in known and TAG.fullmatch(first[0]) is None


def _is_slashed(line: str) -> bool:
    tokens = line.split()
    return bool(tokens) and all(_TAGGED_WORD.fullmatch(token) for token in tokens)
