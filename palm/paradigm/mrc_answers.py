"""From start and end logits of a question's windows to its answers: n-best merging, null answer, probabilities.

Like `write_predictions` of BERT's run_squad.py (https://github.com/google-research/bert), with two differences: every
span is considered, not only those of the n best starts and ends, and the text of an answer is extracted from the
context by character offsets, so that it is always a substring of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from palm.paradigm.decoding import softmax


@dataclass(frozen=True)
class WindowLogits:
    """One window of a question's context, with the model's outputs. All arrays have one value per token.

    Attributes:
        start_logits: Score of each token as an answer's first: `float32[tokens]`; that of token 0 ([CLS]) is for no
            answer.
        end_logits: Score of each token as an answer's last.
        context_start: Start of the token in the context, in characters; -1 outside the context.
        context_end: End of the token in the context, in characters (exclusive).
        is_max_context: Whether no other window has more context around the token.
    """

    start_logits: np.ndarray
    end_logits: np.ndarray
    context_start: np.ndarray
    context_end: np.ndarray
    is_max_context: np.ndarray

    @property
    def null_score(self) -> float:
        """Score of no answer for the window."""
        return float(self.start_logits[0]) + float(self.end_logits[0])


@dataclass(frozen=True)
class Answer:
    """A possible answer.

    Attributes:
        text: A substring of the context; empty for "no answer".
        start_logit: Score of its first token.
        end_logit: Score of its last.
        start: Where it starts in the context, in characters; 0 for "no answer".
    """

    text: str
    start_logit: float
    end_logit: float
    start: int = 0

    @property
    def score(self) -> float:
        """Score by which answers are ranked."""
        return self.start_logit + self.end_logit

    @property
    def end(self) -> int:
        """Where it ends in the context, in characters (exclusive)."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class Limits:
    """Settings of the selection of answers.

    Attributes:
        n_best_size: Number of different answers to keep.
        max_answer_len: Longest answer in tokens.
        with_negative: Whether a question may have no answer.
        null_score_diff_threshold: Predict "no answer" if its score exceeds the best answer's by more than this.
        temperature: What scores are divided by before their softmax.
    """

    n_best_size: int = 20
    max_answer_len: int = 30
    with_negative: bool = False
    null_score_diff_threshold: float = 0.0
    temperature: float = 1.0


@dataclass(frozen=True)
class Ranking:
    """The answers to one question.

    Attributes:
        text: The chosen answer; empty for none.
        nbest: The best answers, best first; with `with_negative` including the empty one.
        probabilities: Probability of each of `nbest`, softmax over their scores.
        null_odds: Score of "no answer" minus the best answer's; None without `with_negative` or without any answer.
    """

    text: str
    nbest: tuple[Answer, ...]
    probabilities: tuple[float, ...]
    null_odds: float | None

    @property
    def probability(self) -> float:
        """Probability of the chosen answer; 0 without one."""
        found = (
            share for answer, share in zip(self.nbest, self.probabilities, strict=True) if answer.text == self.text
        )
        return next(found, 0.0)

    @property
    def span(self) -> tuple[int, int]:
        """Start and end of the chosen answer in the context, in characters; (0, 0) without one."""
        return next(((answer.start, answer.end) for answer in self.nbest if answer.text == self.text), (0, 0))


def rank_answers(context: str, windows: Sequence[WindowLogits], limits: Limits) -> Ranking:
    """The answers to one question from all windows of its context. Ties: the earlier and shorter span first."""
    answers = list(_distinct(_spans(context, windows, limits.max_answer_len), limits.n_best_size))
    if not limits.with_negative or not windows:
        return _ranking(answers[0].text if answers else "", answers, None, limits.temperature)
    least = min(windows, key=lambda window: window.null_score)
    null = Answer("", float(least.start_logits[0]), float(least.end_logits[0]))
    odds = null.score - answers[0].score if answers else None
    text = answers[0].text if odds is not None and odds <= limits.null_score_diff_threshold else ""
    ranked = sorted([*answers, null], key=lambda answer: -answer.score)
    return _ranking(text, ranked, odds, limits.temperature)


def _ranking(text: str, answers: Sequence[Answer], null_odds: float | None, temperature: float) -> Ranking:
    scores = np.array([answer.score for answer in answers]) / temperature
    probabilities = softmax(scores).tolist() if answers else []
    return Ranking(text, tuple(answers), tuple(probabilities), null_odds)


def _distinct(answers: Iterable[Answer], count: int) -> Iterator[Answer]:
    seen: set[str] = set()
    for answer in answers:
        if len(seen) == count:
            return
        if answer.text not in seen:
            seen.add(answer.text)
            yield answer


def _spans(context: str, windows: Sequence[WindowLogits], longest: int) -> Iterator[Answer]:
    """Every possible answer, best first; texts may be repeated."""
    found = [_spans_of(window, longest) for window in windows]
    if not found:
        return
    scores = np.concatenate([score for score, _, _ in found])
    numbers = np.repeat(np.arange(len(found)), [len(score) for score, _, _ in found])
    starts, ends = (np.concatenate([spans[axis] for spans in found]) for axis in (1, 2))
    for place in np.argsort(-scores, kind="stable"):
        window, start, end = windows[numbers[place]], starts[place], ends[place]
        first = int(window.context_start[start])
        text = context[first : window.context_end[end]]
        if text.strip():
            yield Answer(text, float(window.start_logits[start]), float(window.end_logits[end]), first)


def _spans_of(window: WindowLogits, longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, first and last token of every allowed span of a window, by first token and length."""
    tokens = len(window.start_logits)
    inside = window.context_start >= 0
    starts = np.flatnonzero(inside & window.is_max_context.astype(bool))
    ends = starts[:, None] + np.arange(min(longest, tokens))  # [start length]
    allowed = ends < tokens
    ends = np.minimum(ends, tokens - 1)
    allowed &= inside[ends]
    scores = window.start_logits[starts, None].astype("float64") + window.end_logits[ends]  # [start length]
    firsts = np.broadcast_to(starts[:, None], ends.shape)
    return scores[allowed], firsts[allowed], ends[allowed]
