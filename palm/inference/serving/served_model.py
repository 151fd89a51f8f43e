"""The model that a server answers with: its tasks, and predictions of rows of several requests in one pass."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palm.data.dataset import GivenRow
from palm.errors import ConfigError, DataError
from palm.inference.prediction_files import finite
from palm.inference.predictor import Predictor
from palm.inference.run_predictor import RunPredictor
from palm.inference.serving.request_rows import ID, RequestRow, estimate_tokens
from palm.paradigm.base import PARADIGMS, Paradigm, Prediction
from palm.paradigm.hugging_face import AnswerKind
from palm.storage.layout import PALM_VERSION

Answers = dict[str, Prediction]
"""The prediction of each task for one row; `{"error": …}` in place of one for a row that the task cannot read."""


@dataclass(frozen=True)
class ServedTask:
    """One task of a served model.

    Attributes:
        name: Its name.
        predictor: Its reader and head.
        metrics: Its metrics on dev data, if the model knows them.
    """

    name: str
    predictor: Predictor
    metrics: Mapping[str, object] | None = None

    @property
    def paradigm(self) -> Paradigm:
        """The paradigm of its predictions."""
        return self.predictor.paradigm

    @property
    def paradigm_name(self) -> str:
        """The name that the paradigm is registered under."""
        kind = type(self.paradigm)
        return next((name for name in PARADIGMS if PARADIGMS[name] is kind), kind.__name__)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row to predict."""
        return self.predictor.text_columns

    @property
    def labels(self) -> list[str]:
        """Its labels; empty without any."""
        labels = self.predictor.reader.labels
        return list(labels.names) if labels is not None else []

    @property
    def kind(self) -> AnswerKind:
        """What its predictions say."""
        return type(self.paradigm).answer_kind

    def unread(self, row: RequestRow | str) -> str | None:
        """Why the task cannot read `row`; None where it can."""
        there = self.columns[:1] if isinstance(row, str) else row
        missing = [name for name in self.columns if name not in there]
        if not missing:
            return None
        return f"this task reads {' and '.join(self.columns)}. Found no {' and no '.join(missing)}."


@dataclass(frozen=True)
class RowTasks:
    """A row of a request, and the tasks that are asked for it.

    Attributes:
        row: The text, or the texts of its columns.
        number: Its place in the request.
        tasks: The names of the tasks.
    """

    row: RequestRow | str
    number: int
    tasks: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """About how many tokens it has."""
        return estimate_tokens(self.row)


class ServedModel:
    """The tasks of a model, and their predictions.

    Args:
        name: The name of the model, for answers.
        run: Predicts with its tasks.
        runtime: The name of what computes.
    """

    def __init__(self, name: str, run: RunPredictor, runtime: str = "palm") -> None:
        self.name, self.runtime, self._run = name, runtime, run
        saved = run.saved
        self.global_step = None if saved is None else saved.global_step
        metrics = {} if saved is None else {task: saved.tasks[task].metrics for task in run if task in saved.tasks}
        self.tasks = {task: ServedTask(task, predictor, metrics.get(task)) for task, predictor in run.items()}
        self.columns = frozenset(column for task in self.tasks.values() for column in task.columns)

    @property
    def description(self) -> dict[str, object]:
        """What answers say of the model."""
        return {"name": self.name, "version": PALM_VERSION, "global_step": self.global_step, "runtime": self.runtime}

    @property
    def precision(self) -> str:
        """The precision of predictions in words."""
        return "; ".join(dict.fromkeys(predictor.precision for predictor in self._run.values()))

    def predict(self, units: Sequence[RowTasks]) -> list[Answers]:
        """The answers of each unit's tasks for its row; a task that cannot read a row says why.

        The numbers of rows in predictions are those in their requests.
        """
        found: list[Answers] = [{} for _ in units]
        for tasks, numbers in self._groups(units).items():
            for number, task, prediction in self._predict_group(units, numbers, tasks):
                found[number][task] = prediction
        return [self._in_order(unit, answers) for unit, answers in zip(units, found, strict=True)]

    def _groups(self, units: Sequence[RowTasks]) -> Mapping[tuple[str, ...], list[int]]:
        """The units by the tasks that can read their rows."""
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, unit in enumerate(units):
            readable = tuple(task for task in unit.tasks if self.tasks[task].unread(unit.row) is None)
            if readable:
                groups[readable].append(number)
        return groups

    def _predict_group(
        self, units: Sequence[RowTasks], numbers: Sequence[int], tasks: Sequence[str]
    ) -> Iterator[tuple[int, str, Prediction]]:
        """The predictions of rows that all of `tasks` read; where one of them is refused, it is found by halving."""
        try:
            found = self._run.predict([_without_id(units[number].row) for number in numbers], tasks)
        except (ConfigError, DataError) as error:
            if len(tasks) > 1:
                for task in tasks:
                    yield from self._predict_group(units, numbers, [task])
            elif len(numbers) > 1:
                middle = len(numbers) // 2
                yield from self._predict_group(units, numbers[:middle], tasks)
                yield from self._predict_group(units, numbers[middle:], tasks)
            else:
                yield numbers[0], tasks[0], {"error": " ".join(problem.message for problem in error.problems)}
            return
        for task, predictions in found.items():
            for number, prediction in zip(numbers, predictions, strict=True):
                yield number, task, _numbered(finite(prediction), units[number])

    def _in_order(self, unit: RowTasks, answers: Answers) -> Answers:
        return {
            task: answers[task] if task in answers else {"error": self.tasks[task].unread(unit.row)}
            for task in unit.tasks
        }


def _without_id(row: RequestRow | str) -> GivenRow:
    return row if isinstance(row, str) else {name: value for name, value in row.items() if name != ID}


def _numbered(prediction: Prediction, unit: RowTasks) -> Prediction:
    """`prediction` with the number and the id that its row has in its request."""
    own: dict[str, Any] = {}
    if "index" in prediction:
        own["index"] = unit.number
    given = None if isinstance(unit.row, str) else unit.row.get(ID)
    if given is not None:
        own[ID] = given
    elif ID in prediction:  # the row's number, which some readers give
        own[ID] = type(prediction[ID])(unit.number)  # type: ignore[call-arg]
    return {**prediction, **own}
