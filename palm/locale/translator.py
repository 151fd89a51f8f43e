"""Translates what is shown: cuts it into sentences, and finds for each the pattern that it was made from.

Messages are put together from parts (`{rule} Found {count}. {advice}`), and parts are filled into others, so no list
of whole messages exists. Of all ways to cut a line, the one that leaves fewest words untranslated is taken. What
stands in backticks and what matches nothing stays as it is.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from palm.locale.catalog import by_rarest_word
from palm.locale.pattern import PLACEHOLDER, Pattern, words_of
from palm.locale.width import width_of

_BACKTICKS = re.compile(r"`[^`]*`")
_CELLS = re.compile(r"(\s{2,}|\s\|\s)")  # between columns: no sentence goes beyond
# Where a line may be cut: between sentences, and between clauses.
_SENTENCES = re.compile(r"(?<=[.?!:;])\s+|\s+(?=\()|(?<=\))\s+|\s+→\s+")
_CLAUSES = re.compile(r"(?<=,)\s+|(?<=[.?!:;])\s+|\s+→\s+")
_EDGES = re.compile(r"(?P<lead>[(\[]*)(?P<core>.*?)(?P<tail>[)\].:;,]*)", re.DOTALL)
_NESTED = re.compile(r"(?P<lead>[(\[])(?P<core>.*)(?P<tail>[)\]][.:;,]*)", re.DOTALL)  # `(one (two))`
_TAIL = re.compile(r"(?P<lead>)(?P<core>.*?)(?P<tail>[.:;,]*)", re.DOTALL)
_WIDE = str.maketrans({".": "。", ":": "：", ";": "；", ",": "，", "(": "（", ")": "）"})
_LEVEL = re.compile(r"(?P<lead>\W*)(?P<level>Warning|Error|Critical): (?P<rest>.*)", re.DOTALL)
_LEVELS = {"Warning": "警告：", "Error": "错误：", "Critical": "严重错误："}
_MARKS = " \t→!✗"
_SENTENCE_INSIDE = re.compile(r"[.?!:] ")  # rather two sentences than one that is filled with a sentence and a half
_MOST_CUTS = 48
_MOST_CANDIDATES = 12
_DEEPEST = 5
_MOST_LOOKUPS = 3000
"""Lookups for a line that anybody may have sent: what is made up to take longer stays as it is."""


class Shown(NamedTuple):
    """A text as it is shown, and how many letters of it are left in English."""

    text: str
    left: int
    translated: bool


class _Piece(NamedTuple):
    """A part of a text as it is shown, and the gap behind it."""

    shown: Shown
    gap: str


class Translator:
    """Translates lines by a catalog.

    Args:
        catalog: msgid → msgstr; empty translations are left out.
    """

    def __init__(self, catalog: Mapping[str, str]) -> None:
        entries = {msgid: msgstr for msgid, msgstr in catalog.items() if msgstr}
        self._exact = {msgid: msgstr for msgid, msgstr in entries.items() if not PLACEHOLDER.search(msgid)}
        patterns = [Pattern(msgid, msgstr) for msgid, msgstr in entries.items() if PLACEHOLDER.search(msgid)]
        self._by_word = by_rarest_word(patterns)
        self._span = lru_cache(maxsize=4096)(self._uncached_span)
        self._lookups, self._most = 0, math.inf

    def text(self, text: str, *, limited: bool = False) -> str:
        """`text` with each of its lines translated; if `limited`, without those that take long."""
        self._most = _MOST_LOOKUPS if limited else math.inf
        return "\n".join(self._within_limit(self._line, line) for line in text.split("\n"))

    def phrase(self, phrase: str) -> str:
        """A text known to be PALM's, whose pattern may have a single word, as `{1} left` has."""
        self._most = math.inf
        return self._exact.get(phrase) or self._within_limit(lambda text: self._span(text, 1).text, phrase)

    def word(self, word: str) -> str:
        """A word that stands alone, such as a heading; inside of lines a single word may be a name of the user's."""
        return self._exact.get(word, word)

    def _within_limit(self, translate: Callable[[str], str], line: str) -> str:
        """`line` translated, unless that takes too long; what was cut short is not kept."""
        self._lookups = 0
        shown = translate(line)
        if self._lookups > self._most:
            self._span.cache_clear()
            return line
        return shown

    def _line(self, line: str) -> str:
        if line in self._exact and not line.isalnum():
            return self._exact[line]
        level = _LEVEL.fullmatch(line)
        if level is not None:
            return level["lead"] + _LEVELS[level["level"]] + self._line(level["rest"])
        start = len(line) - len(line.lstrip(_MARKS))
        body = line[start:].rstrip()
        cells = _CELLS.split(body)
        shown = [self._span(cell, 0).text if place % 2 == 0 else cell for place, cell in enumerate(cells)]
        return line[:start] + "".join(_aligned(cells, shown)) + line[start + len(body) :]

    def _uncached_span(self, text: str, depth: int) -> Shown:
        """The best way to show `text`, which is a line or what fills a placeholder."""
        if " " not in text or depth > _DEEPEST or self._lookups > self._most:
            return Shown(text, letters(text), translated=False)
        by_sentence = self._cut(text, _SENTENCES, depth)
        if by_sentence.left and "," in text:
            return min(by_sentence, self._cut(text, _CLAUSES, depth), key=lambda shown: shown.left)
        return by_sentence

    def _cut(self, text: str, between: re.Pattern[str], depth: int) -> Shown:
        """The best way to show a text that is cut at some of the places of `between`."""
        gaps = _gaps(text, between)
        best: dict[int, tuple[float, list[_Piece]]] = {len(gaps) - 1: (0.0, [])}
        for first in range(len(gaps) - 2, -1, -1):
            ways = []
            for last in range(first + 1, len(gaps)):
                part = self._part(text[gaps[first][1] : gaps[last][0]], depth)
                cost, rest = best[last]
                ways.append((part.left + 0.01 + cost, [_Piece(part, text[slice(*gaps[last])]), *rest]))
            best[first] = min(ways, key=lambda way: way[0])
        pieces = best[0][1]
        shown = [piece.shown for piece in pieces]
        return Shown(_joined(pieces), sum(part.left for part in shown), any(part.translated for part in shown))

    def _part(self, text: str, depth: int) -> Shown:
        """A part that is not cut any further, with its punctuation."""
        as_it_is = Shown(text.translate(_WIDE) if text in ":;," else text, letters(text), translated=False)
        if " " not in text.strip(" ()."):
            return as_it_is
        ways = [as_it_is]
        for edges in (_TAIL, _EDGES, _NESTED):
            match = edges.fullmatch(text)
            core = match and self._core(match["core"], depth)
            if match and core:
                edge = core._replace(text=match["lead"].translate(_WIDE) + core.text + match["tail"].translate(_WIDE))
                ways.append(edge)
        return min(ways, key=lambda shown: (shown.left, not shown.translated))

    def _core(self, text: str, depth: int) -> Shown | None:
        self._lookups += 1
        if self._lookups > self._most:
            return None
        if text in self._exact:
            return Shown(self._exact[text], 0, translated=True)
        ways = [self._filled(pattern, values, depth) for pattern, values in self._matches(text, depth)]
        return min(ways, key=lambda way: way.left, default=None)

    def _matches(self, text: str, depth: int) -> Iterator[tuple[Pattern, dict[str, str]]]:
        """The patterns that match, those that say most first; those that say little only within a sentence."""
        words = words_of(text)
        candidates = [
            pattern
            for word in words
            for pattern in self._by_word.get(word, ())
            if pattern.words <= words and (depth or pattern.stands_alone)
        ]
        candidates.sort(key=lambda pattern: -pattern.literal)
        matches = ((pattern, pattern.values(text)) for pattern in candidates)
        found = [(pattern, values) for pattern, values in matches if values is not None]
        yield from found[:_MOST_CANDIDATES]

    def _filled(self, pattern: Pattern, values: dict[str, str], depth: int) -> Shown:
        shown = {
            name: Shown(value, 0, translated=False) if pattern.is_verbatim(name) else self._span(value, depth + 1)
            for name, value in values.items()
        }
        text = pattern.filled({name: part.text for name, part in shown.items()})
        sentences = sum(len(_SENTENCE_INSIDE.findall(value)) for value in values.values())
        return Shown(text, sum(part.left for part in shown.values()) + sentences, translated=True)


def letters(text: str) -> int:
    """How many letters of words stand outside backticks."""
    return sum(len(word) for word in re.findall(r"[A-Za-z]{2,}", _BACKTICKS.sub("", text)))


def _gaps(text: str, between: re.Pattern[str]) -> list[tuple[int, int]]:
    """Start and end of each place where `text` may be cut, its own ends included; none inside backticks."""
    masked = _BACKTICKS.sub(lambda match: "_" * len(match.group()), text)
    gaps = [match.span() for match in between.finditer(masked)]
    return [(0, 0), *(gaps if len(gaps) <= _MOST_CUTS else []), (len(text), len(text))]


def _joined(pieces: list[_Piece]) -> str:
    """The parts with what stands between them: no blank beside Chinese punctuation."""
    text = ""
    for part, gap in pieces:
        if part.text[:1] in "（，" and text.endswith(" "):
            text = text[:-1]
        text += part.text
        text += "" if gap == " " and text[-1:] in "。：；，？！" else gap
    return text


def _aligned(cells: list[str], shown: list[str]) -> Iterator[str]:
    """The cells as they are shown, each column where it was: every second cell is the gap behind the one before."""
    for place, text in enumerate(shown):
        is_blank = place % 2 == 1 and text.isspace()
        wider = width_of(cells[place - 1]) - width_of(shown[place - 1]) if is_blank else 0
        yield " " * max(2, len(text) + wider) if is_blank else text
