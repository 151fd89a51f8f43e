"""Splits a text into words and keeps where each stands, for data whose spans are characters."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

CharRange = tuple[int, int]
"""First character of something in its text, and the character after its last."""

# Scripts that are written without blanks between words, and that BERT splits into characters.
_IDEOGRAPHS = (("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uf900", "\ufaff"), ("\U00020000", "\U0003ffff"))


@dataclass(frozen=True)
class SplitText:
    """A text in words.

    Attributes:
        text: The whole text.
        places: Where each word stands in it, in order.
    """

    text: str
    places: Sequence[CharRange]

    @property
    def words(self) -> list[str]:
        """The words."""
        return [self.text[start:end] for start, end in self.places]


def split_text(text: str, *, by_character: bool) -> SplitText:
    """Words, and each punctuation mark and each ideograph by itself; with `by_character` each character but blanks.

    A mark that combines with the character before it belongs to that.
    """
    places: list[CharRange] = []
    joins = False  # whether the next letter continues the last word
    for place, char in enumerate(text):
        kind = "" if char.isspace() else unicodedata.category(char)
        if kind[:1] == "M" and places and places[-1][1] == place:
            places[-1] = (places[-1][0], place + 1)
            continue
        is_letter = kind[:1] in ("L", "N") or char == "_"
        alone = by_character or not is_letter or _is_ideograph(char)
        if kind and joins and not alone:
            places[-1] = (places[-1][0], place + 1)
        elif kind and not _is_invisible(kind):
            places.append((place, place + 1))
        joins = bool(kind) and not alone
    return SplitText(text, places)


def _is_ideograph(char: str) -> bool:
    return any(first <= char <= last for first, last in _IDEOGRAPHS)


def _is_invisible(kind: str) -> bool:
    """Control and format characters, which BERT's tokenizer removes."""
    return kind in ("Cc", "Cf")
