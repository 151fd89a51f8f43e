"""Predict with an inference model: rows in, one record a row out, in the order of the input."""

import json
from collections.abc import Sequence
from pathlib import Path

from palm.config.run_config import TaskConfig
from palm.engine.predict import metrics_over, run_over
from palm.inference.bundle import load_bundle
from palm.paradigm.base import Prediction
from palm.schema.fields import Kernels
from palm.storage.layout import NBEST_FILE, NULL_ODDS_FILE, PREDICTIONS_FILE


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


def write_predictions(predictions: Sequence[Prediction], folder: Path) -> Path:
    """Write predictions.json: one JSON object a line.

    For mrc it maps id to answer, and nbest_predictions.json (and null_odds.json) stand beside it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / PREDICTIONS_FILE
    if predictions and all("nbest" in prediction for prediction in predictions):
        _write_json(target, {str(one["id"]): one["text"] for one in predictions})
        _write_json(folder / NBEST_FILE, {str(one["id"]): one["nbest"] for one in predictions})
        odds = {str(one["id"]): one["null_odds"] for one in predictions if one.get("null_odds") is not None}
        if odds:
            _write_json(folder / NULL_ODDS_FILE, odds)
    else:
        lines = "".join(json.dumps(prediction, ensure_ascii=False) + "\n" for prediction in predictions)
        target.write_text(lines, encoding="utf-8")
    return target


def _write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=4) + "\n", encoding="utf-8")
