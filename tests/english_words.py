"""Words in English in a text that should be in Chinese."""

import re
from collections.abc import Iterable

_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*[A-Za-z]")


def english_words(text: str, *, but: Iterable[str] = ()) -> set[str]:
    """The words of two letters and more, without names that are the same in Chinese."""
    for name in sorted(but, key=len, reverse=True):
        text = text.replace(name, " ")
    return set(_WORD.findall(text))
