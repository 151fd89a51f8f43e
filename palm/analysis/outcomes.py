"""What became of each row: gold and prediction in words, whether it is right, and how bad it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from palm.analysis.calibration import padded
from palm.analysis.label_sets import label_arrays
from palm.analysis.ranks import likeness
from palm.analysis.relation_errors import relation_errors
from palm.analysis.row_words import RowWords
from palm.analysis.span_errors import span_errors
from palm.paradigm.comparison import (
    LEAST_PROBABILITY,
    ComparedAnswers,
    ComparedCandidates,
    ComparedClasses,
    ComparedLabelSets,
    ComparedNumbers,
    ComparedOrder,
    ComparedSpans,
    ComparedTexts,
    ComparedTokens,
    Comparison,
)
from palm.paradigm.decoding import sigmoid, softmax


@dataclass(frozen=True)
class RowOutcome:
    """What became of a row.

    Attributes:
        gold: What is right.
        predicted: What was predicted.
        is_right: Whether it is right; of numbers, whether it is exactly the gold one.
        badness: By what the worst rows come first.
        probability: The probability of what was predicted, if the model gives one.
        gold_probability: That of what is right.
        loss: The row's loss, if it is known.
        remark: What is wrong in detail.
    """

    gold: str
    predicted: str
    is_right: bool
    badness: float
    probability: float | None = None
    gold_probability: float | None = None
    loss: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class RowFacts:
    """What is known of rows beside the comparison.

    Attributes:
        temperature: The temperature of their probabilities.
        losses: The loss of each row, where the comparison does not say it; None if unknown.
        exact: Exact match of each answer to a question.
        f1: F1 of each answer to a question.
    """

    temperature: float = 1.0
    losses: Sequence[float | None] | None = None
    exact: np.ndarray | None = None
    f1: np.ndarray | None = None


def outcomes_of(rows: Comparison, facts: RowFacts) -> Iterator[RowOutcome]:
    """The outcome of each row, in order.

    The badness is the loss where there is one. Of answers to questions it is the probability of the answer times what
    its F1 lacks to 1, of spans without probabilities the number of wrong ones, of tokens the fraction that is wrong.
    """
    if isinstance(rows, ComparedClasses):
        return _of_classes(rows, facts.temperature)
    if isinstance(rows, ComparedLabelSets):
        return _of_label_sets(rows, facts.temperature)
    if isinstance(rows, ComparedCandidates):
        return _of_candidates(rows, facts.temperature)
    if isinstance(rows, ComparedSpans):
        return _of_spans(rows, facts.losses)
    if isinstance(rows, ComparedAnswers):
        return _of_answers(rows, facts)
    if isinstance(rows, ComparedTokens):
        return _of_tokens(rows)
    if isinstance(rows, ComparedTexts):
        return _of_texts(rows)
    return _of_order(rows) if isinstance(rows, ComparedOrder) else _of_numbers(rows)


def _of_classes(rows: ComparedClasses, temperature: float) -> Iterator[RowOutcome]:
    place = {name: number for number, name in enumerate(rows.names)}
    table = None if rows.scores is None else softmax(rows.scores / temperature)
    for number, (gold, predicted) in enumerate(zip(rows.gold, rows.predicted, strict=True)):
        if table is None:
            yield RowOutcome(gold, predicted, gold == predicted, float(gold != predicted))
            continue
        of_gold = float(table[number, place[gold]]) if gold in place else 0.0
        loss = _loss(of_gold)
        yield RowOutcome(
            gold, predicted, gold == predicted, loss, float(table[number, place[predicted]]), of_gold, loss
        )


def _of_label_sets(rows: ComparedLabelSets, temperature: float) -> Iterator[RowOutcome]:
    _, gold_sets, predicted_sets = label_arrays(rows)
    known = len(rows.names)
    table = sigmoid(rows.scores / temperature)
    for number, (gold, predicted) in enumerate(zip(rows.gold, rows.predicted, strict=True)):
        of_gold = np.where(gold_sets[number, :known], table[number], 1 - table[number])
        chosen = np.where(predicted_sets[number, :known], table[number], 1 - table[number])
        loss = float(-np.log(np.maximum(of_gold, LEAST_PROBABILITY)).mean())
        missing, spurious = sorted({*gold} - {*predicted}), sorted({*predicted} - {*gold})
        remark = "; ".join([*(f"missing {name}" for name in missing), *(f"spurious {name}" for name in spurious)])
        words = "|".join(gold), "|".join(predicted)
        yield RowOutcome(*words, not remark, loss, float(chosen.min()), float(of_gold.min()), loss, remark)


def _of_candidates(rows: ComparedCandidates, temperature: float) -> Iterator[RowOutcome]:
    table = softmax(padded(rows.scores) / temperature)
    for number, (gold, predicted) in enumerate(zip(rows.gold, rows.predicted, strict=True)):
        texts = rows.candidates[number]
        of_gold = float(table[number, gold])
        loss = _loss(of_gold)
        chosen = float(table[number, predicted])
        yield RowOutcome(texts[gold], texts[predicted], gold == predicted, loss, chosen, of_gold, loss)


def _of_numbers(rows: ComparedNumbers) -> Iterator[RowOutcome]:
    for gold, predicted in zip(rows.gold.tolist(), rows.predicted.tolist(), strict=True):
        square = (predicted - gold) ** 2
        yield RowOutcome(f"{gold:g}", f"{predicted:.6g}", gold == predicted, square, loss=square)


def _of_order(rows: ComparedOrder) -> Iterator[RowOutcome]:
    for is_right, score in zip(rows.is_right.tolist(), rows.scores.tolist(), strict=True):
        remark = "" if is_right else "another text is ahead of the one that matches"
        yield RowOutcome("1", str(int(is_right)), is_right, -score, remark=f"score {score:.4g}; {remark}".rstrip("; "))


def _of_tokens(rows: ComparedTokens) -> Iterator[RowOutcome]:
    for gold, predicted in zip(rows.gold, rows.predicted, strict=True):
        wrong = sum(one != other for one, other in zip(gold, predicted, strict=True))
        remark = f"{wrong} of {len(gold)} wrong" if wrong else ""
        yield RowOutcome(" ".join(gold), " ".join(predicted), not wrong, wrong / max(len(gold), 1), remark=remark)


def _of_texts(rows: ComparedTexts) -> Iterator[RowOutcome]:
    for gold, written, loss in zip(rows.gold, rows.predicted, rows.losses.tolist(), strict=True):
        is_right = gold == written
        remark = "" if is_right else f"{likeness(gold, written):.0%} alike"
        yield RowOutcome(gold, written, is_right, loss, loss=loss, remark=remark)


def _of_answers(rows: ComparedAnswers, facts: RowFacts) -> Iterator[RowOutcome]:
    exact = np.zeros(len(rows.gold)) if facts.exact is None else facts.exact
    f1 = np.zeros(len(rows.gold)) if facts.f1 is None else facts.f1
    for number, gold in enumerate(rows.gold):
        chosen, scores = rows.chosen[number], rows.scores[number]
        probability = float(softmax(scores / facts.temperature)[chosen]) if chosen >= 0 else None
        badness = (1.0 if probability is None else probability) * (1.0 - float(f1[number]))
        is_right = bool(exact[number] == 1)
        remark = "" if is_right else f"F1 {f1[number]:.2f}"
        texts = " | ".join(dict.fromkeys(gold)), rows.predicted[number]
        yield RowOutcome(*texts, is_right, badness, probability, remark=remark)


def _of_spans(rows: ComparedSpans, losses: Sequence[float | None] | None) -> Iterator[RowOutcome]:
    for number, words in enumerate(rows.words):
        loss = losses[number] if losses else None
        gold, predicted, wrong, remark = _span_row(rows, number, RowWords(words, rows.glue))
        yield RowOutcome(gold, predicted, not wrong, float(wrong) if loss is None else loss, loss=loss, remark=remark)


def _span_row(rows: ComparedSpans, number: int, words: RowWords) -> tuple[str, str, int, str]:
    """Gold, prediction, how many errors, and which."""
    if rows.gold_spans is None or rows.predicted_spans is None:
        gold_tags, predicted_tags = _side(rows.gold_tags, number), _side(rows.predicted_tags, number)
        wrong = sum(one != other for one, other in zip(gold_tags, predicted_tags, strict=False))
        remark = f"{wrong} of {len(gold_tags)} tags wrong" if wrong else ""
        return " ".join(gold_tags), " ".join(predicted_tags), wrong, remark
    gold, predicted = rows.gold_spans[number], rows.predicted_spans[number]
    gold_relations, predicted_relations = _side(rows.gold_relations, number), _side(rows.predicted_relations, number)
    errors = [
        *map(words.span_error, span_errors(gold, predicted)),
        *map(words.relation_error, relation_errors(gold_relations, predicted_relations)),
    ]
    texts = words.listed(gold, gold_relations), words.listed(predicted, predicted_relations)
    return *texts, len(errors), "; ".join(errors)


_Item = TypeVar("_Item")


def _side(rows: Sequence[Sequence[_Item]] | None, number: int) -> Sequence[_Item]:
    return rows[number] if rows else ()


def _loss(probability: float) -> float:
    return float(-np.log(max(probability, LEAST_PROBABILITY)))
