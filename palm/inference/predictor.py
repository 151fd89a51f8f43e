"""Prediction with an inference model: one record per row, in the order of the input."""

from collections.abc import Sequence
from pathlib import Path

from palm.config.run_config import TaskConfig
from palm.data.dataset import Dataset, GivenRow
from palm.engine.predict import metrics_over, run_over
from palm.inference.bundle import load_bundle
from palm.paradigm.base import Paradigm, Prediction
from palm.reader.base import Reader
from palm.reader.formats.row_table import GivenData, RowTable
from palm.reader.formats.sources import as_table, data_name
from palm.reader.loading import load_dataset, load_rows
from palm.schema.fields import Kernels
from palm.storage.layout import PREDICTIONS_FILE


class Predictor:
    """An inference model that predicts files and rows; it needs none of the training files.

    Args:
        folder: The inference model.
        task: The task in the current configuration; its keys override those of the training run.
        kernels: The encoder's kernels on the CPU: `auto`, `fused` or `plain`.

    Raises:
        CheckpointError: The folder is missing, damaged, of another format, or does not fit `task`.
    """

    def __init__(self, folder: Path | str, task: TaskConfig | None = None, *, kernels: Kernels = "auto") -> None:
        self._bundle = load_bundle(Path(folder), task, kernels)

    @property
    def paradigm(self) -> Paradigm:
        """The paradigm of the model."""
        return self._bundle.task.paradigm

    @property
    def reader(self) -> Reader:
        """The reader of the model, which knows its labels."""
        return self._bundle.task.reader

    def predict(self, file: Path | str | GivenData) -> list[Prediction]:
        """Predict each row of `file`; no gold column is needed.

        Raises:
            DataError: Every problem, with file and line.
        """
        return self._predictions(load_dataset(self._bundle.task.reader, data_name(file), "predict"))

    def predict_rows(self, rows: Sequence[GivenRow] | GivenData) -> list[Prediction]:
        """Predict each of `rows`, in their order, as if they were in a file.

        Args:
            rows: Mappings of PALM's columns, `{"text_a": …, "text_b": …}`; for a reader with a single text, the text
                itself. For mrc `{"question": …, "context": …}` (`id` is by default the row's number, from 0), or
                paragraphs as in SQuAD, with one prediction per question.

        Raises:
            DataError: Every problem, with its row (`rows[2]`).
            ConfigError: A user's reader that only reads files.
        """
        table = as_table(rows)
        if not len(table):
            return []
        given = table if isinstance(rows, RowTable) or table.columns else rows
        return self._predictions(load_rows(self._bundle.task.reader, given, "predict"))

    def evaluate(self, file: Path | str | GivenData) -> dict[str, float]:
        """Evaluate a file with gold labels: the mean loss and each metric's values, as fractions of 1.

        Raises:
            DataError: Every problem, with file and line.
            RegistryError: An unknown metric.
        """
        return self.evaluate_dataset(load_dataset(self.reader, data_name(file), "eval"))

    def evaluate_dataset(self, dataset: Dataset) -> dict[str, float]:
        """Evaluate data that `reader` has read, like a file in `evaluate`.

        Raises:
            RegistryError: An unknown metric.
        """
        return metrics_over(self._bundle.model, self._bundle.task, dataset)

    def _predictions(self, dataset: Dataset) -> list[Prediction]:
        return run_over(self._bundle.model, self._bundle.task, dataset, "predict").predictions


def write_predictions(paradigm: Paradigm, predictions: Sequence[Prediction], folder: Path) -> Path:
    """Write predictions.json and the paradigm's other files; return the path of predictions.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in paradigm.prediction_files(predictions).items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder / PREDICTIONS_FILE
