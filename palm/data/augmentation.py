"""Further texts from a text: words are swapped, deleted, inserted or substituted, as a pure function of text and seed.

A word is a character for Chinese, as for BERT's tokenizers, and elsewhere what stands between blanks, without the
punctuation around it. Words with a digit stay as they are, since numbers and dates change the meaning of a text.
"""

import math
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from palm.randomness import philox

AugmentType = Literal["swap", "delete", "insert", "substitute"]
WordSide = Literal["at", "before", "after"]
Proposals = Sequence[tuple[str, float]]
"""Words for one position with their weights, best first."""

MOST_CHANGED = 10
"""Words of a text that change at most, as in PaddleNLP (`aug_max` of paddlenlp/dataaug/base_augment.py)."""

# The characters around which BERT's tokenizer sets blanks (`_is_chinese_char`):
# https://github.com/google-research/bert/blob/master/tokenization.py
_CHINESE = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
    "\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f"
)
_PIECE = re.compile(rf"[{_CHINESE}]|[^\s{_CHINESE}]+")
_IS_CHINESE = re.compile(rf"[{_CHINESE}]")
_REPLACEMENT = "\ufffd"  # which BERT's tokenizer removes
_TRIES = 5  # per variant, as in PaddleNLP (`loop`)


@dataclass(frozen=True)
class Augmentation:
    """How texts are augmented.

    Attributes:
        kind: What happens to words.
        num: Variants of each text; fewer where a text has no more.
        percent: Fraction of the words that change, rounded up; at least one word, at most `MOST_CHANGED`.
        seed: Another one gives other variants.
    """

    kind: AugmentType
    num: int = 5
    percent: float = 0.1
    seed: int = 1


@dataclass(frozen=True)
class TextWords:
    """A text as words and what stands between them.

    Attributes:
        words: The words.
        gaps: Blanks and punctuation before each word, and after the last one.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    def __str__(self) -> str:
        return self.gaps[0] + "".join(word + gap for word, gap in zip(self.words, self.gaps[1:], strict=True))

    def ends(self) -> list[int]:
        """The end of each word in characters of the text."""
        lengths = [len(gap) + len(word) for gap, word in zip(self.gaps, self.words, strict=False)]
        ends: list[int] = np.cumsum(lengths, dtype="int64").tolist()
        return ends

    def with_words(self, changed: Mapping[int, str]) -> "TextWords":
        """The text with other words at some positions."""
        return replace(self, words=tuple(changed.get(number, word) for number, word in enumerate(self.words)))

    def without(self, position: int) -> "TextWords":
        """The text without a word; of the blanks around it one is kept."""
        before, after = self.gaps[position : position + 2]
        is_last = position == len(self.words) - 1
        if before.isspace() and not after[:1].isspace() and (after or is_last):  # punctuation follows, or nothing
            before = ""
        elif not before or before[-1].isspace():
            after = after.lstrip()
        words = (*self.words[:position], *self.words[position + 1 :])
        return TextWords(words, (*self.gaps[:position], before + after, *self.gaps[position + 2 :]))


@dataclass(frozen=True)
class WordSlot:
    """A position for a new word.

    Attributes:
        position: The number of a word of the text.
        side: In its place, or beside it.
    """

    position: int
    side: WordSide


@dataclass(frozen=True)
class OpenText:
    """A text with positions for new words.

    Attributes:
        text: The text.
        openings: The positions, in the order of the text.
    """

    text: TextWords
    openings: tuple[WordSlot, ...]

    def filled(self, words: Sequence[str]) -> str:
        """The text with a word in each opening."""
        changed = {}
        for opening, word in zip(self.openings, words, strict=True):
            old = self.text.words[opening.position]
            blank = "" if is_chinese(old) else " "
            sides = {"at": word, "before": f"{word}{blank}{old}", "after": f"{old}{blank}{word}"}
            changed[opening.position] = sides[opening.side]
        return str(self.text.with_words(changed))

    def word_at(self, number: int) -> str:
        """The word in or beside opening `number`."""
        return self.text.words[self.openings[number].position]


class WordSource(ABC):
    """Proposes words that are inserted, or substituted for others."""

    @abstractmethod
    def readable(self, texts: Sequence[str]) -> list[int]:
        """How many characters of each text it reads; words behind them do not change."""

    @abstractmethod
    def knows(self, word: str) -> bool:
        """Whether it may have words to stand in place of `word`, or beside it."""

    @abstractmethod
    def propose(self, texts: Sequence[OpenText]) -> list[list[Proposals]]:
        """Words for each opening of each text; none where it has none."""


def is_chinese(word: str) -> bool:
    """Whether a word is a Chinese character."""
    return _IS_CHINESE.fullmatch(word) is not None


def find_words(text: str) -> TextWords:
    """The words of a text."""
    words: list[str] = []
    gaps: list[str] = []
    end = 0
    for piece in _PIECE.finditer(text):
        first, last = _without_punctuation(piece[0])
        if first < last:
            gaps.append(text[end : piece.start() + first])
            words.append(piece[0][first:last])
            end = piece.start() + last
    return TextWords(tuple(words), (*gaps, text[end:]))


def count_changes(words: int, percent: float) -> int:
    """How many of the words of a text change: the fraction, rounded up, from 1 to `MOST_CHANGED`."""
    exact = round(percent * words, 9)  # 0.1 * 70 is 7.000000000000001
    return min(max(math.ceil(exact), 1), MOST_CHANGED) if words else 0


def vary_texts(texts: Sequence[str], rule: Augmentation, source: WordSource | None = None) -> list[list[str]]:
    """Variants of each text, which differ from it and from each other; none of a text without words to change.

    Args:
        texts: The texts.
        rule: What to do, and how often.
        source: Words to insert or substitute.

    Raises:
        ValueError: Words are needed, and there is no source of them.
    """
    if rule.kind == "swap":
        return [_edited(text, rule, _swap) for text in texts]
    if rule.kind == "delete":
        return [_edited(text, rule, _delete) for text in texts]
    if source is None:
        raise ValueError(f"Augmentation of kind `{rule.kind}` needs words. Found `source = None`.")
    return _with_new_words(texts, rule, source)


def vary_rows(
    rows: Sequence[Mapping[str, str]], rule: Augmentation, source: WordSource | None = None
) -> list[list[dict[str, str]]]:
    """Variants of the texts of each row; each variant has another version of every text that has one.

    Args:
        rows: The texts of each row by column.
        rule: What to do, and how often.
        source: Words to insert or substitute.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    by_column = {name: vary_texts([row.get(name, "") for row in rows], rule, source) for name in columns}
    found = []
    for number, row in enumerate(rows):
        own = {name: by_column[name][number] for name in row}
        most = max(map(len, own.values()), default=0)
        found.append(
            [
                {name: texts[each] if each < len(texts) else row[name] for name, texts in own.items()}
                for each in range(most)
            ]
        )
    return found


def _without_punctuation(piece: str) -> tuple[int, int]:
    """The start and the end of a piece without the punctuation and invisible characters around it."""
    kept = [number for number, char in enumerate(piece) if not _is_ignored(char)]
    return (kept[0], kept[-1] + 1) if kept else (0, 0)


def _is_ignored(char: str) -> bool:
    return unicodedata.category(char)[0] in "PCZ" or char == _REPLACEMENT


def _changeable(text: TextWords) -> list[int]:
    return [number for number, word in enumerate(text.words) if not any(map(str.isdigit, word))]


Edit = Callable[[TextWords, int, np.random.Generator], str]


def _edited(text: str, rule: Augmentation, edit: Edit) -> list[str]:
    words = find_words(text)
    generator = philox(rule.seed, "augment", rule.kind, text)
    count = count_changes(len(words.words), rule.percent)
    attempts = (edit(words, count, generator) for _ in range(_TRIES * rule.num))
    return _distinct(attempts, text, rule.num)


def _distinct(attempts: Iterable[str], text: str, most: int) -> list[str]:
    """The first texts that are neither `text` nor repeated."""
    found: dict[str, None] = {}
    for attempt in attempts if most else ():
        if attempt != text:
            found[attempt] = None
        if len(found) == most:
            break
    return list(found)


def _swap(text: TextWords, count: int, generator: np.random.Generator) -> str:
    """Exchange `count` pairs of neighbours, of which no two have a word in common."""
    movable = set(_changeable(text))
    pairs = [first for first in sorted(movable) if first + 1 in movable and _differ(text.words[first : first + 2])]
    chosen: set[int] = set()
    for first in generator.permutation(pairs).tolist():
        if len(chosen) < count and not chosen & {first - 1, first + 1}:
            chosen.add(first)
    changed: dict[int, str] = {}
    for first in chosen:
        changed |= {first: text.words[first + 1], first + 1: text.words[first]}
    return str(text.with_words(changed))


def _differ(pair: Sequence[str]) -> bool:
    return pair[0] != pair[1]


def _delete(text: TextWords, count: int, generator: np.random.Generator) -> str:
    """Delete `count` words, and never all of them."""
    deletable = _changeable(text)
    count = min(count, len(deletable), len(text.words) - 1)
    if count < 1:
        return str(text)
    for position in sorted(generator.choice(deletable, count, replace=False).tolist(), reverse=True):
        text = text.without(position)
    return str(text)


def _with_new_words(texts: Sequence[str], rule: Augmentation, source: WordSource) -> list[list[str]]:
    """Variants with words of a source: `rule.num` choices of positions for each text, all proposed for together."""
    opened: list[list[OpenText]] = []
    for text, readable in zip(texts, source.readable(texts), strict=True):
        opened.append(_open(text, readable, rule, source))
    proposals = iter(source.propose([one for own in opened for one in own]))
    found = []
    for text, own in zip(texts, opened, strict=True):
        generator = philox(rule.seed, "words", rule.kind, text)
        kept: list[str] = []
        for one, proposed in [(one, next(proposals)) for one in own]:
            if all(proposed):
                attempts = (_sampled(one, proposed, generator) for _ in range(_TRIES))
                kept += _distinct((each for each in attempts if each not in kept), text, 1)
        found.append(kept)
    return found


def _open(text: str, readable: int, rule: Augmentation, source: WordSource) -> list[OpenText]:
    """The text with openings at positions that are sampled, `rule.num` times."""
    words, generator = find_words(text), philox(rule.seed, "augment", rule.kind, text)
    ends = words.ends()
    usable = [number for number in _changeable(words) if ends[number] <= readable and source.knows(words.words[number])]
    count = min(count_changes(len(words.words), rule.percent), len(usable))
    found = []
    for _ in range(rule.num if count else 0):
        positions = sorted(generator.choice(usable, count, replace=False).tolist())
        sides: list[WordSide] = ["at"] * count
        if rule.kind == "insert":
            sides = ["after" if after else "before" for after in generator.integers(2, size=count)]
        found.append(OpenText(words, tuple(map(WordSlot, positions, sides))))
    return found


def _sampled(text: OpenText, proposed: Sequence[Proposals], generator: np.random.Generator) -> str:
    """The text with words that are sampled by their weights."""
    chosen = []
    for words in proposed:
        weights = np.array([weight for _, weight in words], "float64")
        number = int(generator.choice(len(words), p=weights / weights.sum()))
        chosen.append(words[number][0])
    return text.filled(chosen)
