"""WordPiece vocabularies that cover the corpus; other words are split into letters, which all of them contain."""

import re
import string
from collections import Counter
from collections.abc import Iterable

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PUNCTUATION = string.punctuation + "，。？！、：；（）《》“”‘’…—·"
LEAST_COUNT = 2


def english_vocabulary(texts: Iterable[str]) -> list[str]:
    """Letters and digits, also as continuations, punctuation, and the words of `texts`, the most common first."""
    letters = [*string.ascii_lowercase, *string.digits]
    counts = Counter(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))
    words = [word for word, count in counts.items() if count >= LEAST_COUNT and len(word) > 1]
    ordered = sorted(words, key=lambda word: (-counts[word], word))
    return [*SPECIAL, *PUNCTUATION, *letters, *(f"##{letter}" for letter in letters), *ordered]


def bilingual_vocabulary(english: Iterable[str], chinese: Iterable[str]) -> list[str]:
    """The vocabulary of `english`, and the characters of `chinese` that it lacks."""
    known = english_vocabulary(english)
    characters = {letter for text in chinese for letter in text if not letter.isspace()}
    return [*known, *sorted(characters - set(known))]


def added_words(english: Iterable[str], known: Iterable[str]) -> list[str]:
    """The words of `english` that a vocabulary lacks; at its end they leave the ids of the others as they are."""
    before = set(known)
    return [word for word in english_vocabulary(english) if word not in before]


def chinese_vocabulary(texts: Iterable[str]) -> list[str]:
    """Letters as above, the 3755 everyday characters of GB 2312, and all other characters of `texts`."""
    letters = [*string.ascii_letters, *string.digits]
    everyday = [
        bytes((row, cell)).decode("gb2312")
        for row in range(0xB0, 0xD8)
        for cell in range(0xA1, 0xFF)
        if (row, cell) < (0xD7, 0xFA)
    ]
    known = {*PUNCTUATION, *letters, *everyday}
    others = sorted({letter for text in texts for letter in text if not letter.isspace()} - known)
    return [*SPECIAL, *PUNCTUATION, *letters, *(f"##{letter}" for letter in letters), *everyday, *others]
