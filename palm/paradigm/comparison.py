"""Predictions side by side with gold, in a form for each kind of answer: what analyses of errors and calibration read.

A paradigm arranges its predictions so (`Paradigm.compare`); whether they are right is decided by those who read them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, TypeAlias, cast

import numpy as np

from palm.data.dataset import LabelMap, Record
from palm.data.spans import Relation, Span

LEAST_PROBABILITY = 1e-12
"""Probabilities below it count as this one in logarithms."""


@dataclass(frozen=True)
class ComparedClasses:
    """One class per row.

    Attributes:
        names: The classes that the model knows.
        gold: The gold class of each row; it may be one that the model does not know.
        predicted: The predicted class of each row.
        scores: float64[row class], whose softmax are the probabilities at temperature 1; None where they are unknown.
    """

    names: Sequence[str]
    gold: Sequence[str]
    predicted: Sequence[str]
    scores: np.ndarray | None


@dataclass(frozen=True)
class ComparedLabelSets:
    """Any number of labels per row.

    Attributes:
        names: The labels that the model knows.
        gold: The gold labels of each row.
        predicted: The predicted ones.
        scores: float64[row label], whose sigmoid are the probabilities at temperature 1.
    """

    names: Sequence[str]
    gold: Sequence[Sequence[str]]
    predicted: Sequence[Sequence[str]]
    scores: np.ndarray


@dataclass(frozen=True)
class ComparedNumbers:
    """A number per row: float64[row] each."""

    gold: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class ComparedSpans:
    """The tags of the words of each row, and the spans that they mark; or spans that no tags can mark.

    Attributes:
        words: The words, or characters.
        gold_tags: Their gold tags; None for spans that may lie within each other.
        predicted_tags: The predicted ones.
        gold_spans: The gold spans; None for tags that mark no spans.
        predicted_spans: The predicted ones.
        glue: What stands between two words of a span's text.
        gold_relations: The gold relations between spans; None for a task without relations.
        predicted_relations: The predicted ones.
    """

    words: Sequence[Sequence[str]]
    gold_tags: Sequence[Sequence[str]] | None
    predicted_tags: Sequence[Sequence[str]] | None
    gold_spans: Sequence[Sequence[Span]] | None
    predicted_spans: Sequence[Sequence[Span]] | None
    glue: str
    gold_relations: Sequence[Sequence[Relation]] | None = None
    predicted_relations: Sequence[Sequence[Relation]] | None = None


@dataclass(frozen=True)
class ComparedAnswers:
    """The answer to each question about a text.

    Attributes:
        questions: The questions.
        contexts: The texts.
        gold: The gold answers of each; none for a question without an answer.
        predicted: The predicted answer; empty for none.
        scores: The scores of the best answers of each question, whose softmax are probabilities at temperature 1.
        chosen: Which of these is predicted; -1 for none of them.
    """

    questions: Sequence[str]
    contexts: Sequence[str]
    gold: Sequence[Sequence[str]]
    predicted: Sequence[str]
    scores: Sequence[np.ndarray]
    chosen: Sequence[int]


@dataclass(frozen=True)
class ComparedCandidates:
    """One of each row's own candidates.

    Attributes:
        candidates: Their texts.
        gold: Index of the right one.
        predicted: Index of the predicted one.
        scores: The score of each, whose softmax are the probabilities at temperature 1.
    """

    candidates: Sequence[Sequence[str]]
    gold: Sequence[int]
    predicted: Sequence[int]
    scores: Sequence[np.ndarray]


@dataclass(frozen=True)
class ComparedTokens:
    """The tokens at the masks of each row."""

    gold: Sequence[Sequence[str]]
    predicted: Sequence[Sequence[str]]


@dataclass(frozen=True)
class ComparedOrder:
    """Whether each row's matching text is ahead of others.

    Attributes:
        is_right: Whether it is: bool[row].
        scores: Its score: float64[row].
    """

    is_right: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class ComparedTexts:
    """The text that was written for each row.

    Attributes:
        gold: The target, as the vocabulary writes it.
        predicted: What was written.
        losses: Mean negative log likelihood of the target's tokens, each after those before it: float64[row].
    """

    gold: Sequence[str]
    predicted: Sequence[str]
    losses: np.ndarray


Comparison: TypeAlias = (
    ComparedClasses
    | ComparedLabelSets
    | ComparedNumbers
    | ComparedSpans
    | ComparedAnswers
    | ComparedCandidates
    | ComparedTokens
    | ComparedOrder
    | ComparedTexts
)


_OF_THE_MODEL = ("names", "glue")
"""Fields that are the same in all parts of the rows."""


def join_comparisons(parts: Sequence[Comparison]) -> Comparison:
    """Comparisons of one kind, of one part of the rows after the other."""
    first = parts[0]
    joined: dict[str, Any] = {}
    for name in (each.name for each in fields(first) if each.name not in _OF_THE_MODEL):
        values = [getattr(part, name) for part in parts]
        if isinstance(values[0], np.ndarray):
            joined[name] = np.concatenate(values)
        else:
            joined[name] = None if values[0] is None else list(chain.from_iterable(values))
    return replace(first, **joined)


@dataclass(frozen=True)
class ScoredLabels:
    """The scores of several labels in one example, whose softmax are the probabilities at temperature 1.

    Attributes:
        scores: float[label class].
        gold: The right class of each: int64[label].
    """

    scores: np.ndarray
    gold: np.ndarray


def compare_classes(
    predictions: Sequence[Record], records: Sequence[Record], labels: LabelMap | None
) -> ComparedClasses | None:
    """The `label` of each prediction and record; None where either has none."""
    if not predictions or not all("label" in row for row in (*predictions, *records)):
        return None
    gold, predicted = ([str(row["label"]) for row in rows] for rows in (records, predictions))
    probabilities = predictions[0].get("probs")
    known = labels.names if labels else list(probabilities) if isinstance(probabilities, Mapping) else ()
    return ComparedClasses(known, gold, predicted, class_scores(predictions) if known else None)


def class_scores(predictions: Sequence[Record]) -> np.ndarray | None:
    """The logits of predictions, or else the logarithms of their probabilities by label; None without either."""
    if all("logits" in prediction for prediction in predictions):
        return np.array([prediction["logits"] for prediction in predictions], "float64")
    if not all(isinstance(prediction.get("probs"), Mapping) for prediction in predictions):
        return None
    rows = [list(cast("Mapping[str, float]", prediction["probs"]).values()) for prediction in predictions]
    scores: np.ndarray = np.log(np.maximum(np.array(rows, "float64"), LEAST_PROBABILITY))
    return scores


def compare_label_sets(
    predictions: Sequence[Record], records: Sequence[Record], names: Sequence[str]
) -> ComparedLabelSets:
    """The `labels` of predictions, and those that records list in `label`."""
    gold = [cast("Sequence[str]", record["label"]) for record in records]
    predicted = [cast("Sequence[str]", prediction["labels"]) for prediction in predictions]
    return ComparedLabelSets(
        names, gold, predicted, np.array([prediction["logits"] for prediction in predictions], "float64")
    )


def compare_numbers(predictions: Sequence[Record], records: Sequence[Record]) -> ComparedNumbers:
    """The `value` of each prediction, and the `label` of each record."""
    gold = np.array([cast("float", record["label"]) for record in records], "float64")
    return ComparedNumbers(gold, np.array([prediction["value"] for prediction in predictions], "float64"))


def compare_order(predictions: Sequence[Record], score: str) -> ComparedOrder | None:
    """Predictions whose `label` is `1` where the right text is ahead; None where they do not say."""
    if not all("label" in prediction for prediction in predictions):
        return None
    is_right = np.array([prediction["label"] == "1" for prediction in predictions], "bool")
    return ComparedOrder(is_right, np.array([prediction[score] for prediction in predictions], "float64"))
