"""What an analysis of a task holds: kept as JSON, and read without Paddle."""

from pydantic import Field

from palm.analysis.answers import AnswerAnalysis
from palm.analysis.calibration import Calibration
from palm.analysis.classes import ClassAnalysis
from palm.analysis.label_sets import LabelSetAnalysis
from palm.analysis.numbers import NumberAnalysis
from palm.analysis.ranks import RankAnalysis
from palm.analysis.scores import Facts
from palm.analysis.spans import SpanAnalysis


class WrongRow(Facts):
    """A row that the model got wrong.

    Attributes:
        row: Its number in the data, from 0.
        line: Its line in the file, or the number of the record there; None if unknown.
        columns: Its texts and the further columns that were kept, as text.
        gold: What is right.
        predicted: What was predicted.
        probability: The probability of what was predicted, if the model gives one.
        gold_probability: That of what is right.
        loss: The row's loss, if it is known.
        remark: What is wrong in detail.
    """

    row: int
    line: int | None
    columns: dict[str, str]
    gold: str
    predicted: str
    probability: float | None
    gold_probability: float | None
    loss: float | None
    remark: str


class Suggested(Facts):
    """The temperature with the least negative log likelihood on the very rows that were analysed.

    Attributes:
        temperature: The temperature; None if the rows determine none.
        reason: Why they do not.
        calibration: The calibration with it, on the same rows, which therefore flatters it.
    """

    temperature: float | None
    reason: str = ""
    calibration: Calibration | None = None


class TaskAnalysis(Facts):
    """What a model's predictions on rows with gold labels tell of a task. Of its kinds of answers one is there.

    Attributes:
        task: The task.
        paradigm: The registered name of its paradigm.
        data: Where the rows are from.
        rows: How many were analysed.
        of_rows: How many there are.
        wrong: How many of them are wrong; of numbers, which are hardly ever equal, None.
        metrics: Mean loss, if known, and metrics, as fractions of 1.
        classes: For one class per row.
        label_sets: For several labels per row.
        numbers: For numbers.
        spans: For tags of words.
        answers: For answers to questions.
        ranks: For candidates, masked tokens, the order of texts, and texts that are written.
        calibration: The calibration of the probabilities; None without any.
        uncalibrated: Why no temperature can be fitted; None if one can.
        suggested: The temperature that fits these rows; None where `uncalibrated` says why.
        errors: The worst rows, worst first.
    """

    task: str
    paradigm: str
    data: str
    rows: int
    of_rows: int
    wrong: int | None
    metrics: dict[str, float]
    classes: ClassAnalysis | None = None
    label_sets: LabelSetAnalysis | None = None
    numbers: NumberAnalysis | None = None
    spans: SpanAnalysis | None = None
    answers: AnswerAnalysis | None = None
    ranks: RankAnalysis | None = None
    calibration: Calibration | None = None
    uncalibrated: str | None = None
    suggested: Suggested | None = None
    errors: list[WrongRow] = Field(default_factory=list)
