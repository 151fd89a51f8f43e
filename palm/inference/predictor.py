"""Predict with an inference model: rows in, one record a row out, in the order of the input."""

from collections.abc import Sequence
from pathlib import Path

from palm.config.run_config import TaskConfig
from palm.engine.predict import metrics_over, run_over
from palm.inference.bundle import load_bundle
from palm.paradigm.base import Paradigm, Prediction
from palm.schema.fields import Kernels
from palm.storage.layout import PREDICTIONS_FILE


class Predictor:
    """An inference model that predicts files; it needs none of the training files.

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
        """One prediction a row of `file`; no gold column is needed.

        Raises:
            DataError: With file and line of everything that is wrong.
        """
        task = self._bundle.task
        dataset = task.reader.load(Path(file), "predict")
        return run_over(self._bundle.model, task, dataset, "predict").predictions

    def evaluate(self, file: Path | str) -> dict[str, float]:
        """Figures over a file with gold labels: the mean loss and each metric's values, as fractions of 1.

        Raises:
            DataError: With file and line of everything that is wrong.
            RegistryError: An unknown metric.
        """
        task = self._bundle.task
        return metrics_over(self._bundle.model, task, task.reader.load(Path(file), "eval"))


def write_predictions(paradigm: Paradigm, predictions: Sequence[Prediction], folder: Path) -> Path:
    """Write predictions.json, and what else the paradigm writes; return the path of predictions.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in paradigm.prediction_files(predictions).items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder / PREDICTIONS_FILE
