"""The temperature of a task's head, fitted to rows with gold labels."""

from pathlib import Path

from palm.analysis.calibration import calibration_of, fit_temperature
from palm.analysis.compared import compare_task
from palm.analysis.evaluated import AfterRows
from palm.data.dataset import Dataset
from palm.errors import ConfigError, Problem
from palm.inference.predictor import Predictor
from palm.schema.saved_model import SavedCalibration


def check_calibrates(predictor: Predictor) -> None:
    """Raise ConfigError if no temperature can be fitted to the probabilities of the task."""
    reason = predictor.paradigm.uncalibrated
    if reason is not None:
        rule = f"a temperature is fitted to probabilities, and `{predictor.task}` is not calibrated, as {reason}"
        raise ConfigError(Problem(predictor.task, f"{rule}. Leave it out."))


def calibrate(predictor: Predictor, dataset: Dataset, progress: AfterRows | None = None) -> SavedCalibration:
    """Fit the temperature of the least negative log likelihood, whatever temperature the model has so far.

    Args:
        predictor: The model.
        dataset: Rows with gold labels that it was not trained on.
        progress: Called with the number of finished examples, and of all.

    Raises:
        ConfigError: The task has no probabilities to calibrate, or a package is not installed.
        DataError: The rows determine no temperature.
    """
    check_calibrates(predictor)
    scored = compare_task(predictor, dataset, progress).scored
    if scored is None:
        rule = "a temperature is fitted to rows whose gold the model knows. Found none"
        raise ConfigError(Problem(str(dataset.file), f"{rule} for `{predictor.task}`. Give other rows."))
    temperature = fit_temperature(scored, str(dataset.file))
    before, after = calibration_of(scored, 1.0), calibration_of(scored, temperature)
    return SavedCalibration(
        temperature=temperature,
        unit=before.unit,
        count=before.count,
        data=Path(str(dataset.file)).name,
        nll_before=before.nll,
        nll_after=after.nll,
        ece_before=before.ece,
        ece_after=after.ece,
    )
