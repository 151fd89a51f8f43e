"""Templates with phrases `<polite>` and slots `{city}`: expansion, filling, and conversion to tagged words."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_PHRASE = re.compile(r"<(\w+)>")
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Piece:
    """The text of a slot of a template, or of the words between slots.

    Attributes:
        text: The text.
        slot: Name of the slot; empty for the words in between.
    """

    text: str
    slot: str = ""


def pick(choices: Sequence[T], generator: random.Random) -> T:
    """One of `choices`; only uses `random()`, whose sequence is the same in every version of Python."""
    return choices[int(generator.random() * len(choices))]


def pick_several(choices: Sequence[T], count: int, generator: random.Random) -> list[T]:
    """`count` different ones of `choices`, in random order."""
    rest = list(choices)
    return [rest.pop(int(generator.random() * len(rest))) for _ in range(count)]


def expand(template: str, phrases: Mapping[str, Sequence[str]], generator: random.Random) -> str:
    """Replace every `<phrase>` by one of its forms, until only slots remain."""
    while match := _PHRASE.search(template):
        template = template[: match.start()] + pick(phrases[match[1]], generator) + template[match.end() :]
    return re.sub(r"\s+", " ", template).strip()


def slots_of(template: str) -> frozenset[str]:
    """Names of the slots in an expanded template."""
    return frozenset(_SLOT.findall(template))


def fill(template: str, values: Mapping[str, str]) -> list[Piece]:
    """The pieces of an expanded template with `values` in its slots."""
    parts = _SLOT.split(template)  # words, slot, words, slot, …, words
    pieces = [Piece(values[part], part) if number % 2 else Piece(part) for number, part in enumerate(parts)]
    return [piece for piece in pieces if piece.text]


def text_of(pieces: Sequence[Piece]) -> str:
    """The running text."""
    return re.sub(r" ([,.:?])", r"\1", "".join(piece.text for piece in pieces)).strip()


def tagged_words(
    pieces: Sequence[Piece], types: Mapping[str, str], *, by_character: bool
) -> tuple[list[str], list[str]]:
    """Words and their BIO tags.

    Args:
        pieces: The result of `fill`.
        types: Type of each slot, the part of a tag after `B-`.
        by_character: Whether every character is a word, as in Chinese.
    """
    words: list[str] = []
    tags: list[str] = []
    for piece in pieces:
        found = [letter for letter in piece.text if not letter.isspace()] if by_character else piece.text.split()
        inside = [f"I-{types[piece.slot]}"] * len(found) if piece.slot else ["O"] * len(found)
        words += found
        tags += [tag.replace("I-", "B-") if number == 0 else tag for number, tag in enumerate(inside)]
    return words, tags
