"""Finds answers in their context: where no offset is given, and where blanks or composed characters differ."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

NO_OFFSET = -1
# A character with the marks, vowels and finals that compose with it.
_CLUSTER = re.compile("(?s:.)[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u1160-\u11ff\u3099\u309a]*")


@dataclass(frozen=True)
class LocatedAnswer:
    """An answer as the context has it.

    Attributes:
        text: Its characters in the context; as given where it was not found.
        start: Its first character; `NO_OFFSET` if none was given and it is not at one place alone.
        is_found: Whether the offset was not given.
        is_respelt: Whether the characters are not those that were given.
    """

    text: str
    start: int
    is_found: bool = False
    is_respelt: bool = False


def locate(text: str, start: int | None, context: str) -> LocatedAnswer:
    """Where `text` is in `context`: at `start`, or without one at the only place where it occurs.

    A non-breaking or ideographic blank counts as a blank, and é as e with an accent. An answer that is not at its
    offset stays as it is.
    """
    if start is not None and start >= 0:
        if context.startswith(text, start):
            return LocatedAnswer(text, start)
        respelt = dict(_folded_places(text, context)).get(start)
        return LocatedAnswer(text if respelt is None else respelt, start, is_respelt=respelt is not None)
    places = [(place, text) for place in _places(text, context)] or _folded_places(text, context)
    if len(places) != 1:
        return LocatedAnswer(text, NO_OFFSET)
    return LocatedAnswer(places[0][1], places[0][0], is_found=True, is_respelt=places[0][1] != text)


def _places(text: str, context: str) -> list[int]:
    return [match.start() for match in re.finditer(f"(?={re.escape(text)})", context)] if text else []


def _folded_places(text: str, context: str) -> list[tuple[int, str]]:
    """Start and characters of each occurrence, with blanks and composition made alike."""
    wanted, _ = _folded(text)
    folded, ends = _folded(context)
    bounds = {place: end for place, end in enumerate(ends) if end >= 0}
    found = []
    for place in _places(wanted, folded):
        start, end = bounds.get(place), bounds.get(place + len(wanted))
        if start is not None and end is not None:
            found.append((start, context[start:end]))
    return found


@lru_cache(maxsize=8)
def _folded(text: str) -> tuple[str, tuple[int, ...]]:
    """`text` made alike, and for each of its characters the one of `text` that starts there; -1 inside of one."""
    folded, starts = [], []
    for match in _CLUSTER.finditer(text):
        cluster = unicodedata.normalize("NFC", match[0])
        cluster = " " if cluster.isspace() else cluster
        folded.append(cluster)
        starts += [match.start(), *[-1] * (len(cluster) - 1)]
    return "".join(folded), (*starts, len(text))
