"""Predict with an inference model: rows in, one record a row out, in the order of the input."""

from collections.abc import Sequence
from pathlib import Path

from palm.config.run_config import TaskConfig
from palm.data.dataset import Dataset, GivenRow
from palm.engine.predict import metrics_over, run_over
from palm.inference.bundle import load_bundle
from palm.paradigm.base import Paradigm, Prediction
from palm.reader.loading import check_rows, load_dataset, load_rows
from palm.schema.fields import Kernels
from palm.storage.layout import PREDICTIONS_FILE


class Predictor:
    """An inference model that predicts files and rows; it needs none of the training files.

    Args:
        folder: The inference model.
        task: The task as a configuration has it now; the keys that it sets win over those of the training run.
        kernels: What computes the encoder on the CPU: `auto`, `fused` or `plain`.

    Raises:
        CheckpointError: The folder is missing, damaged, of another format, or does not fit `task`.
    """

    def __init__(self, folder: Path | str, task: TaskConfig | None = None, *, kernels: Kernels = "auto") -> None:
        self._bundle = load_bundle(Path(folder), task, kernels)

    @property
    def paradigm(self) -> Paradigm:
        """What the model predicts with."""
        return self._bundle.task.paradigm

    def predict(self, file: Path | str) -> list[Prediction]:
        """One prediction for each row of `file`; no gold column is needed.

        Raises:
            DataError: With file and line of everything that is wrong.
        """
        return self._predictions(load_dataset(self._bundle.task.reader, Path(file), "predict"))

    def predict_rows(self, rows: Sequence[GivenRow]) -> list[Prediction]:
        """One prediction for each row, in their order: the same as of a file that holds these rows.

        Args:
            rows: Mappings of PALM's columns, `{"text_a": …, "text_b": …}`; where the reader takes one text, the text
                alone will do. For mrc `{"question": …, "context": …}` (`id` is by default the row's number, from 0), or
                paragraphs as SQuAD has them, with one prediction for each question.

        Raises:
            DataError: With the row (`rows[2]`) of everything that is wrong.
            ConfigError: A reader of one's own that takes files alone.
        """
        check_rows(rows)
        return self._predictions(load_rows(self._bundle.task.reader, rows, "predict")) if rows else []

    def evaluate(self, file: Path | str) -> dict[str, float]:
        """Figures over a file with gold labels: the mean loss and each metric's values, as fractions of 1.

        Raises:
            DataError: With file and line of everything that is wrong.
            RegistryError: An unknown metric.
        """
        task = self._bundle.task
        return metrics_over(self._bundle.model, task, load_dataset(task.reader, Path(file), "eval"))

    def _predictions(self, dataset: Dataset) -> list[Prediction]:
        return run_over(self._bundle.model, self._bundle.task, dataset, "predict").predictions


def write_predictions(paradigm: Paradigm, predictions: Sequence[Prediction], folder: Path) -> Path:
    """Write predictions.json, and what else the paradigm writes; return the path of predictions.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in paradigm.prediction_files(predictions).items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder / PREDICTIONS_FILE
