"""Answers to questions: exact match and F1 by question word, and by the length of context, question and answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from palm.analysis.question_words import question_word
from palm.analysis.scores import Facts
from palm.paradigm.comparison import ComparedAnswers

NO_ANSWER = "(no answer)"
_PARTS = 5
"""Ranges of lengths, each with about as many questions as the others."""


class AnswerGroup(Facts):
    """Scores of some questions.

    Attributes:
        name: What they have in common.
        count: How many they are.
        exact_match: Fraction of answers that are exactly right.
        f1: Mean F1 of answers.
    """

    name: str
    count: int
    exact_match: float
    f1: float


class AnswerAnalysis(Facts):
    """What answers to questions tell. Lengths are in words, of Chinese in characters.

    Attributes:
        overall: All questions.
        by_question_word: By their question word, the most frequent first.
        by_context_length: By the length of the context, in order.
        by_question_length: By the length of the question.
        by_answer_length: By the length of the shortest gold answer; questions without one are a group.
        by_answer_kind: Questions that have an answer, and that have none; empty where all have one.
    """

    overall: AnswerGroup
    by_question_word: list[AnswerGroup]
    by_context_length: list[AnswerGroup]
    by_question_length: list[AnswerGroup]
    by_answer_length: list[AnswerGroup]
    by_answer_kind: list[AnswerGroup]


def analyse_answers(rows: ComparedAnswers, exact: np.ndarray, f1: np.ndarray) -> AnswerAnalysis:
    """Group the scores of at least one question.

    Args:
        rows: The questions and their answers.
        exact: Exact match of each: float64[question].
        f1: F1 of each: float64[question].
    """
    groups = _Groups(exact, f1)
    words = [question_word(question) for question in rows.questions]
    shortest = [min(map(length_of, gold)) if gold else None for gold in rows.gold]
    kinds = [NO_ANSWER if length is None else "with an answer" for length in shortest]
    return AnswerAnalysis(
        overall=groups.group("all", np.arange(len(words))),
        by_question_word=sorted(groups.by_name(words), key=lambda each: (-each.count, each.name)),
        by_context_length=groups.by_length([length_of(context) for context in rows.contexts]),
        by_question_length=groups.by_length([length_of(question) for question in rows.questions]),
        by_answer_length=groups.by_length(shortest),
        by_answer_kind=groups.by_name(kinds) if NO_ANSWER in kinds else [],
    )


class _Groups:
    def __init__(self, exact: np.ndarray, f1: np.ndarray) -> None:
        self._exact, self._f1 = exact, f1

    def group(self, name: str, rows: np.ndarray | Sequence[int]) -> AnswerGroup:
        chosen = np.asarray(rows, "int64")
        exact, f1 = float(self._exact[chosen].mean()), float(self._f1[chosen].mean())
        return AnswerGroup(name=name, count=len(chosen), exact_match=exact, f1=f1)

    def by_name(self, names: Sequence[str]) -> list[AnswerGroup]:
        """A group for each name, in the order of their first rows."""
        rows: Mapping[str, list[int]] = defaultdict(list)
        for number, name in enumerate(names):
            rows[name].append(number)
        return [self.group(name, chosen) for name, chosen in rows.items()]

    def by_length(self, lengths: Sequence[int | None]) -> list[AnswerGroup]:
        """A group for each range of lengths, and one for those without."""
        known = np.array([length for length in lengths if length is not None], "int64")
        every = np.array([-1 if length is None else length for length in lengths], "int64")
        found = [self.group(NO_ANSWER, np.flatnonzero(every < 0))] if len(known) < len(every) else []
        for low, high in length_ranges(known):
            name = str(low) if low == high else f"{low}-{high}"
            found.append(self.group(name, np.flatnonzero((every >= low) & (every <= high))))
        return found


def length_ranges(lengths: np.ndarray) -> list[tuple[int, int]]:
    """Least and greatest length of ranges that hold about as many rows each; equal lengths are in one range."""
    if not len(lengths):
        return []
    limits = np.unique(np.quantile(lengths, np.arange(1, _PARTS + 1) / _PARTS, method="inverted_cdf"))
    parts = np.searchsorted(limits, lengths)
    inside = [lengths[parts == number] for number in range(len(limits))]
    return [(int(part.min()), int(part.max())) for part in inside]


def length_of(text: str) -> int:
    """Words of a text; of Chinese, Japanese and Korean each character is one."""
    spaced = "".join(
        f" {char} " if "\u2e80" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af" else char for char in text
    )
    return len(spaced.split())
