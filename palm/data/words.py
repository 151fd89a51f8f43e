"""Joins words to a sentence and assigns the sentence's tokens to them, for tokenizers that see blanks."""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from palm.data.offsets import CharSpan

_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC", "FULLWIDTH", "BOPOMOFO")


@dataclass(frozen=True)
class JoinedWords:
    """Words as one text.

    Attributes:
        text: The text.
        starts: Start of each word in `text`.
        words: The words.
    """

    text: str
    starts: tuple[int, ...]
    words: tuple[str, ...]

    def spaced(self, word: int) -> bool:
        """Whether a blank stands before the word."""
        return word > 0 and self.starts[word] > self.starts[word - 1] + len(self.words[word - 1])


@dataclass(frozen=True)
class WordAlone:
    """A word to be encoded on its own, since a token of the sentence covers others as well.

    Attributes:
        text: The word, with a blank before it if there is one in the sentence.
        inside: Whether it continues the text before it without a blank.
    """

    text: str
    inside: bool


def join_words(words: Sequence[str], *, for_cn: bool) -> JoinedWords:
    """The words as one text: with blanks, except next to characters of scripts without blanks, such as Chinese.

    Args:
        words: The words.
        for_cn: Chinese text, in which neighbouring words of one character are those of one text without blanks.
    """
    text, starts = "", []
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        text += " " if number and _has_blank(before, word, for_cn=for_cn) else ""
        starts.append(len(text))
        text += word
    return JoinedWords(text, tuple(starts), tuple(words))


def _has_blank(before: str, word: str, *, for_cn: bool) -> bool:
    if for_cn and len(before) == len(word) == 1:
        return False
    return not (_is_unspaced(before[-1:]) or _is_unspaced(word[:1]))


def _is_unspaced(character: str) -> bool:
    return not character.isascii() and unicodedata.name(character, "").startswith(_UNSPACED)


Assigned = list[tuple[int, int | WordAlone]]
"""Word and token, in order; a `WordAlone` stands for the tokens of a word that is encoded on its own."""


def assign(sentence: JoinedWords, ids: Sequence[int], spans: Sequence[CharSpan]) -> Assigned:
    """The word of each token of `sentence`.

    Args:
        sentence: The words.
        ids: Tokens of its text.
        spans: Characters of each token, as `exact_spans` gives them.
    """
    covered = [_covered(sentence, span) for span in spans]
    alone = {word for first, last in covered if first != last for word in range(first, last + 1)}
    found: Assigned = [
        (first, number) for number, (first, last) in zip(ids, covered, strict=True) if first not in alone
    ]
    found += [
        (word, WordAlone((" " if sentence.spaced(word) else "") + sentence.words[word], _is_inside(sentence, word)))
        for word in alone
    ]
    return sorted(found, key=lambda item: item[0])


def _is_inside(sentence: JoinedWords, word: int) -> bool:
    return word > 0 and not sentence.spaced(word)


def _covered(sentence: JoinedWords, span: CharSpan) -> tuple[int, int]:
    """First and last word with a character of the span."""
    start, end = span
    first = max(bisect_right(sentence.starts, start) - 1, 0)
    return first, max(bisect_right(sentence.starts, end - 1) - 1, first)


def encode_alone(
    found: Iterable[Assigned], encode: Callable[[list[str], bool], list[list[int]]]
) -> Mapping[WordAlone, list[int]]:
    """Tokens of all words that are encoded on their own.

    Args:
        found: Words and tokens of sentences.
        encode: Encodes texts, the second argument says whether they continue a text without a blank.
    """
    pieces = list(dict.fromkeys(piece for items in found for _, piece in items if isinstance(piece, WordAlone)))
    tokens: dict[WordAlone, list[int]] = {}
    for inside in (False, True):
        chosen = [piece for piece in pieces if piece.inside is inside]
        tokens |= zip(chosen, encode([piece.text for piece in chosen], inside), strict=True)
    return tokens
