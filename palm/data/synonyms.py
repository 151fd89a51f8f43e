"""Words to substitute or insert from a user's list of synonyms."""

from collections.abc import Mapping, Sequence
from typing import final

from palm.data.augmentation import OpenText, Proposals, WordSource


@final
class Synonyms(WordSource):
    """A list of synonyms.

    Args:
        words: Each word in lower case, with its synonyms.
    """

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._words = words

    @classmethod
    def of_groups(cls, groups: Sequence[Sequence[str]]) -> "Synonyms":
        """Groups of words, any of which may stand for any other of its group."""
        found: dict[str, dict[str, None]] = {}
        for group in groups:
            for word in group:
                others = {other: None for other in group if other.casefold() != word.casefold()}
                found.setdefault(word.casefold(), {}).update(others)
        return cls({word: list(others) for word, others in found.items() if others})

    def readable(self, texts: Sequence[str]) -> list[int]:
        """All of each text."""
        return list(map(len, texts))

    def knows(self, word: str) -> bool:
        """Whether the word has a synonym."""
        return word.casefold() in self._words

    def propose(self, texts: Sequence[OpenText]) -> list[list[Proposals]]:
        """The synonyms of the word in or beside each opening, each as probable as the others."""
        return [[self._of(text.word_at(number)) for number in range(len(text.openings))] for text in texts]

    def _of(self, word: str) -> Proposals:
        return [(synonym, 1.0) for synonym in self._words.get(word.casefold(), ())]
