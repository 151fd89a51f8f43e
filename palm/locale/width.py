"""How wide text is on a terminal, where a Chinese character takes two columns, and how it is wrapped."""

import unicodedata
from collections.abc import Iterator

_NEVER_FIRST = "，。；：、！？）】》”’%…"


def width_of(text: str) -> int:
    """The columns of `text`."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def padded(text: str, width: int) -> str:
    """`text` with blanks up to `width` columns."""
    return text + " " * (width - width_of(text))


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines: broken between words, and between Chinese characters.

    Args:
        text: The text; its blanks and line breaks count as one blank each.
        width: Columns of a line at most, unless a single word is wider.
    """
    lines, line = list[str](), ""
    for unit in _units(" ".join(text.split())):
        if line.strip() and width_of(line + unit.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += unit if line else unit.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def _units(text: str) -> Iterator[str]:
    """What is not torn apart: a word with the blanks behind it, or a wide character with the punctuation behind it."""
    unit = ""
    for char in text:
        narrow = width_of(char) == 1
        joins = char in _NEVER_FIRST or char == " " or (narrow and unit[-1:] != " " and width_of(unit[-1:]) == 1)
        if unit and not joins:
            yield unit
            unit = ""
        unit += char
    yield unit
