"""Calibration: whether answers of probability p are right in a fraction p of the rows, and a temperature to make it so.

Expected calibration error (ECE): of bins of equal width, the mean of |fraction that is right - mean confidence|,
weighted by the rows in each; Naeini et al., 2015 (https://doi.org/10.1609/aaai.v29i1.9602), with the confidence of the
predicted class and 15 bins of Guo et al., 2017 (arXiv:1706.04599), from whom temperature scaling is, too. Brier score:
Brier, 1950, the sum over the classes of (probability - gold)², averaged over rows: 0 to 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from palm.analysis.packages import calibration_package, optimize_package
from palm.analysis.scores import Facts
from palm.errors import DataError, Problem, counted
from palm.paradigm.comparison import LEAST_PROBABILITY
from palm.paradigm.decoding import sigmoid, softmax

BINS = 15
LOWEST, HIGHEST = 0.05, 20.0
"""The range in which a temperature is sought."""

_ADVICE = "Give more rows, or leave the probabilities as they are."

Unit = Literal["row", "word", "label", "question"]


class CalibrationBin(Facts):
    """A bin of the reliability diagram.

    Attributes:
        lower: Its lower end.
        upper: Its upper end; a confidence at it counts here.
        count: How many confidences are in it.
        confidence: Their mean; None in an empty bin.
        accuracy: The fraction that is right; None in an empty bin.
    """

    lower: float
    upper: float
    count: int
    confidence: float | None
    accuracy: float | None


class Calibration(Facts):
    """How far the probabilities of a model can be trusted.

    Attributes:
        unit: What has a probability each: a row, a word, a label of a row, or a question.
        count: How many of them were looked at.
        temperature: The temperature of these probabilities.
        accuracy: The fraction that is right.
        confidence: The mean probability of what was predicted.
        ece: Expected calibration error, with as many bins as `bins`.
        brier: Brier score.
        nll: Mean negative log likelihood.
        bins: The reliability diagram.
    """

    unit: Unit
    count: int
    temperature: float
    accuracy: float
    confidence: float
    ece: float
    brier: float
    nll: float
    bins: list[CalibrationBin]


@dataclass(frozen=True)
class ScoredClasses:
    """Scores of which one is right.

    Attributes:
        scores: float64[item class], whose softmax are probabilities; -inf where an item has fewer classes.
        gold: The right class of each: int64[item].
        unit: What the items are.
    """

    scores: np.ndarray
    gold: np.ndarray
    unit: Unit = "row"

    def probabilities(self, temperature: float) -> "Confidences":
        """Those of all classes, and which is right."""
        found = softmax(self.scores / temperature)
        items = np.arange(len(found))
        best = self.scores.argmax(axis=-1)
        of_gold = found[items, self.gold]
        # The sum over classes of (p - gold)² is Σp² - 2 p(gold) + 1.
        brier = (found**2).sum(-1) - 2 * of_gold + 1
        return Confidences(found[items, best], best == self.gold, -_log(of_gold), brier)


@dataclass(frozen=True)
class ScoredDecisions:
    """Scores of decisions, yes or no.

    Attributes:
        scores: float64[item], whose sigmoid is the probability of yes.
        gold: Whether yes is right: bool[item].
        unit: What the items are.
    """

    scores: np.ndarray
    gold: np.ndarray
    unit: Unit = "label"

    def probabilities(self, temperature: float) -> "Confidences":
        """Those of the more probable decision, and whether it is right."""
        yes = sigmoid(self.scores / temperature)
        of_gold = np.where(self.gold, yes, sigmoid(-self.scores / temperature))
        brier = 2 * (yes - self.gold) ** 2
        return Confidences(np.maximum(yes, 1 - yes), (self.scores >= 0) == self.gold, -_log(of_gold), brier)


@dataclass(frozen=True)
class ScoredAnswers:
    """Scores of several answers per question, of which the chosen one is right or not.

    What is right may be none of them, so the likelihood is that of the chosen one being right: the softmax over the
    best answers, as in Jiang et al., 2021 (arXiv:2012.00955).

    Attributes:
        scores: float64[item answer]; -inf where there are fewer.
        chosen: The chosen answer of each: int64[item].
        is_right: Whether it is right: bool[item].
        unit: What the items are.
    """

    scores: np.ndarray
    chosen: np.ndarray
    is_right: np.ndarray
    unit: Unit = "question"

    def probabilities(self, temperature: float) -> "Confidences":
        """Those of the chosen answers, and whether they are right."""
        confidence = softmax(self.scores / temperature)[np.arange(len(self.scores)), self.chosen]
        of_gold = np.where(self.is_right, confidence, 1 - confidence)
        return Confidences(confidence, self.is_right, -_log(of_gold), 2 * (confidence - self.is_right) ** 2)


Scored = ScoredClasses | ScoredDecisions | ScoredAnswers


@dataclass(frozen=True)
class Confidences:
    """What is known of each item.

    Attributes:
        confidence: The probability of what was predicted: float64[item].
        is_right: Whether it is right: bool[item].
        losses: Negative log likelihood: float64[item].
        brier: Its part of the Brier score: float64[item].
    """

    confidence: np.ndarray
    is_right: np.ndarray
    losses: np.ndarray
    brier: np.ndarray


def calibration_of(scored: Scored, temperature: float) -> Calibration:
    """The calibration of at least one item at a temperature."""
    found = scored.probabilities(temperature)
    bins = reliability(found.confidence, found.is_right)
    gaps = [each.count * abs((each.accuracy or 0.0) - (each.confidence or 0.0)) for each in bins]
    return Calibration(
        unit=scored.unit,
        count=len(found.confidence),
        temperature=temperature,
        accuracy=float(found.is_right.mean()),
        confidence=float(found.confidence.mean()),
        ece=float(sum(gaps) / len(found.confidence)),
        brier=float(found.brier.mean()),
        nll=float(found.losses.mean()),
        bins=bins,
    )


def reliability(confidence: np.ndarray, is_right: np.ndarray, bins: int = BINS) -> list[CalibrationBin]:
    """The reliability diagram, by scikit-learn's `calibration_curve`, with the number of items in each bin."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    confidence = np.clip(confidence, 0.0, 1.0)
    counts = np.bincount(np.searchsorted(edges[1:-1], confidence), minlength=bins)
    accuracies, means = calibration_package().calibration_curve(is_right.astype("int64"), confidence, n_bins=bins)
    filled = iter(zip(accuracies.tolist(), means.tolist(), strict=True))
    found = []
    for number, count in enumerate(counts.tolist()):
        accuracy, mean = next(filled) if count else (None, None)
        lower, upper = float(edges[number]), float(edges[number + 1])
        found.append(CalibrationBin(lower=lower, upper=upper, count=count, confidence=mean, accuracy=accuracy))
    return found


def fit_temperature(scored: Scored, where: str) -> float:
    """The temperature with the least mean negative log likelihood.

    Args:
        scored: The items to fit it to.
        where: Their file, for messages.

    Raises:
        DataError: They determine none: all, or too many, are right or wrong.
    """
    is_right = scored.probabilities(1.0).is_right
    if is_right.all() or not is_right.any():
        rule = "a temperature is fitted to rows of which some are right and some are wrong."
        found = f"Found {counted(len(is_right), scored.unit)}, {'all' if is_right.all() else 'none'} of them right"
        raise DataError(Problem(where, f"{rule} {found}. {_ADVICE}"))
    nll = _nll_of(scored)
    result = optimize_package().minimize_scalar(nll, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    temperature = float(np.exp(result.x))
    if not LOWEST * 1.01 < temperature < HIGHEST / 1.01:
        rule = f"a temperature is sought between {LOWEST} and {HIGHEST}."
        found = f"The likelihood of these {counted(len(is_right), scored.unit)} still grows at {temperature:.3g}"
        raise DataError(Problem(where, f"{rule} {found}. {_ADVICE}"))
    return temperature


def _nll_of(scored: Scored) -> Callable[[float], float]:
    return lambda logarithm: float(scored.probabilities(float(np.exp(logarithm))).losses.mean())


def _log(probabilities: np.ndarray) -> np.ndarray:
    logarithms: np.ndarray = np.log(np.maximum(probabilities, LEAST_PROBABILITY))
    return logarithms


def padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as float64[row longest], filled with -inf."""
    table = np.full((len(rows), max(map(len, rows), default=0)), -np.inf)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table
