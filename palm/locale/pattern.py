"""A sentence of a message with what is filled in, as it stands in the catalog, matched against what is shown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

PLACEHOLDER = re.compile(r"\{(n?\d+)\}")
_NUMBER = r"([-+]?[\d.,]+(?:e[-+]?\d+)?%?|-?inf|nan)"
_ANY, _QUOTED, _FIRST = "(.*?)", "([^`]*)", r"([^\s;,:(]*)"  # of two placeholders side by side, the first is a word
_CHINESE = "[\u3400-\u9fff]"
_BLANK_BETWEEN = re.compile(rf"(?<={_CHINESE}) (?={_CHINESE})")
_WORD = re.compile(r"[A-Za-z]{2,}")


@dataclass(frozen=True)
class Pattern:
    """A template and its translation, `expected {n1} columns, found {2}`.

    Attributes:
        msgid: The English; `{1}` stands for any text, `{n1}` for a number. What fills a placeholder in backticks has
            no backtick in it, and is never translated.
        msgstr: The translation, with the same placeholders in any order.
    """

    msgid: str
    msgstr: str

    @cached_property
    def literal(self) -> int:
        """The number of characters that are fixed: of two patterns that match, the one with more of them says more."""
        return len(PLACEHOLDER.sub("", self.msgid))

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of every text that matches."""
        return words_of(PLACEHOLDER.sub("_0_", self.msgid))

    @cached_property
    def stands_alone(self) -> bool:
        """Whether it says enough to be a sentence of its own: `{1} before {2}` may be anything."""
        return len(self.words) > 1 or not re.match(r"`?(\{\d|[a-z])", self.msgid)

    def values(self, text: str) -> dict[str, str] | None:
        """What fills each placeholder in `text`; None if it does not match."""
        match = self._regex.fullmatch(text)
        return match and dict(zip(self._names, match.groups(), strict=True))

    def is_verbatim(self, name: str) -> bool:
        """Whether what fills `name` is shown as it is: a number, or something in backticks."""
        return name.startswith("n") or f"`{{{name}}}`" in self.msgid

    def filled(self, values: dict[str, str]) -> str:
        """The translation with `values` in it."""
        text, end = "", 0
        for match in PLACEHOLDER.finditer(self.msgstr):
            text = _beside(_beside(text, self.msgstr[end : match.start()]), values[match.group(1)])
            end = match.end()
        return _beside(text, self.msgstr[end:])

    @cached_property
    def _names(self) -> list[str]:
        return PLACEHOLDER.findall(self.msgid)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile("".join(self._parts()), re.DOTALL)

    def _parts(self) -> Iterator[str]:
        end = 0
        for match in PLACEHOLDER.finditer(self.msgid):
            yield re.escape(self.msgid[end : match.start()])
            quoted = self.msgid[match.start() - 1 : match.start()] == self.msgid[match.end() : match.end() + 1] == "`"
            beside = self.msgid[match.end() : match.end() + 1] == "{"
            yield _NUMBER if match.group(1).startswith("n") else _QUOTED if quoted else _FIRST if beside else _ANY
            end = match.end()
        yield re.escape(self.msgid[end:])


def _beside(left: str, right: str) -> str:
    """Two parts of a sentence: blanks stand between Chinese and other characters, and not where both are Chinese."""
    if left.endswith(" ") and _BLANK_BETWEEN.search(left[-2:] + right[:1]):
        return left[:-1] + right
    if right.startswith(" ") and _BLANK_BETWEEN.search(left[-1:] + right[:2]):
        return left + right[1:]
    return left + right


def words_of(text: str) -> frozenset[str]:
    """The words of a text that may stand in a pattern."""
    return frozenset(_WORD.findall(text))
