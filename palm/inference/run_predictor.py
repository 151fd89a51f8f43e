"""Prediction with all tasks of a run: each text is read once by every task, and encoded once for those that agree."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from palm.data.dataset import Dataset, GivenRow
from palm.engine.predict import predict_each
from palm.errors import ConfigError, Problem
from palm.inference.encode import task_to_encode
from palm.inference.prediction_rows import with_rows
from palm.inference.predictor import Predictor
from palm.inference.runtime import Runtime, compute_with
from palm.paradigm.base import PARADIGMS, Prediction
from palm.reader.base import Reader
from palm.reader.formats.cells import ID
from palm.reader.formats.row_table import GivenData, RowTable
from palm.reader.formats.sources import as_table
from palm.registry import did_you_mean
from palm.schema.saved_model import SavedRun


class RunPredictor(Mapping[str, Predictor]):
    """The tasks of a run, by name: `palm.load("RUN")`.

    Args:
        predictors: The predictor of each task. Those of one runtime share passes of its encoder.
        saved: What the run's model says of itself; None for a run without one, whose tasks have a model each.
    """

    def __init__(self, predictors: Mapping[str, Predictor], saved: SavedRun | None = None) -> None:
        self._predictors = dict(predictors)
        self.saved = saved

    def __getitem__(self, task: str) -> Predictor:
        """The predictor of `task`."""
        return self._predictors[task]

    def __repr__(self) -> str:
        return f"RunPredictor({', '.join(self)})"

    def __iter__(self) -> Iterator[str]:
        return iter(self._predictors)

    def __len__(self) -> int:
        return len(self._predictors)

    def __call__(self, rows: Sequence[GivenRow] | GivenData) -> dict[str, list[Prediction]]:
        """The same as `predict`."""
        return self.predict(rows)

    def predict(
        self, rows: Sequence[GivenRow] | GivenData, tasks: Sequence[str] | None = None
    ) -> dict[str, list[Prediction]]:
        """Predict the same rows with several tasks; see `Predictor.predict_rows`.

        Args:
            rows: The rows, which every task can read.
            tasks: The tasks; all by default.

        Raises:
            DataError: Every problem, with its row; also where a task needs another column.
            ConfigError: There is no such task.
        """
        chosen = self._chosen(tasks)
        if not len(as_table(rows)):
            return {task: [] for task in chosen}
        return self.predict_datasets(self._read(chosen, rows))

    def predict_datasets(self, datasets: Mapping[str, Dataset]) -> dict[str, list[Prediction]]:
        """Predict what the tasks have read, `{task: run[task].read_rows(rows)}`, each maybe rows of its own.

        Tasks whose batches are equal are computed from one pass of the encoder, and predict what each does alone.

        Raises:
            ConfigError: There is no such task.
        """
        chosen = self._chosen(list(datasets)) if datasets else {}
        runtimes: dict[int, tuple[Runtime, list[str]]] = {}
        for task, predictor in chosen.items():
            runtimes.setdefault(id(predictor.runtime), (predictor.runtime, []))[1].append(task)
        found: dict[str, list[Prediction]] = {}
        for runtime, names in runtimes.values():
            instances = [chosen[name].instance for name in names]
            decoded = predict_each(instances, [datasets[name] for name in names], compute_with(runtime))
            found |= dict(zip(names, decoded, strict=True))
        seen: list[Dataset] = []
        complete: dict[str, list[Prediction]] = {}
        for task, predictor in chosen.items():
            dataset = datasets[task]
            is_new = not any(dataset is other for other in seen)
            complete[task] = with_rows(found[task], dataset, predictor.reader, report=is_new)
            seen.append(dataset)
        return complete

    def encode(
        self,
        texts: Sequence[str],
        *,
        task: str | None = None,
        normalize_embeddings: bool = False,
        batch_size: int = 32,
    ) -> np.ndarray:
        """A vector for each text; see `Predictor.encode`.

        Args:
            texts: The texts.
            task: The task whose vectors they are; by default the one with the paradigm `embed` or `embed_pairs`. Of a
                run without one they are the means over the tokens of the shared encoder.
            normalize_embeddings: Whether each vector has length 1.
            batch_size: Texts of one pass.

        Raises:
            ConfigError: There is no such task, several could be meant, or a graph has no embeddings.
            DataError: A text that is no string.
        """
        tasks = self._chosen(None if task is None else [task])
        name = task_to_encode({name: each.instance for name, each in tasks.items()}, task)
        return tasks[name].encode(texts, normalize_embeddings=normalize_embeddings, batch_size=batch_size)

    def text_columns(self, task: str) -> tuple[str, ...]:
        """The columns of a row for `task`."""
        return self[task].text_columns

    def labels(self, task: str) -> tuple[str, ...]:
        """The label names of `task` by id; none for a task without labels."""
        labels = self[task].reader.labels
        return () if labels is None else tuple(labels.names)

    def paradigm_name(self, task: str) -> str:
        """The registered name of the paradigm of `task`."""
        return PARADIGMS.name_of(self[task].paradigm)

    def _read(self, chosen: Mapping[str, Predictor], rows: Sequence[GivenRow] | GivenData) -> dict[str, Dataset]:
        """The rows as each task reads them; tasks that read alike have one data set."""
        table = as_table(rows)
        found: dict[str, Dataset] = {}
        for task, predictor in chosen.items():
            with_gold = _may_have_gold(table, predictor.reader)
            same = (other for other in found if chosen[other].reader.reads_alike(predictor.reader, with_gold=with_gold))
            first = next(same, None)
            found[task] = predictor.read_rows(rows) if first is None else found[first]
        return found

    def _chosen(self, tasks: Sequence[str] | None) -> dict[str, Predictor]:
        if tasks is None:
            return self._predictors
        for name in tasks:
            if name not in self._predictors:
                rule = f"there is no task `{name}`.{did_you_mean(str(name), list(self))}"
                raise ConfigError(Problem("tasks", f"{rule} Tasks: {', '.join(self)}."))
        return {name: self._predictors[name] for name in dict.fromkeys(tasks)}


def _may_have_gold(table: RowTable, reader: Reader) -> bool:
    """Whether some row has more than an id and the texts that are predicted."""
    known = {*reader.text_columns, ID}
    return not known.issuperset(table.columns) or any(
        not isinstance(row, str) and not known.issuperset(row) for row in table
    )
