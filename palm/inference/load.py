"""`palm.load`: one inference model of a run, or all of them, to predict rows with."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from palm.data.dataset import GivenRow
from palm.errors import ConfigError, Problem
from palm.inference.exported import exported_tasks, model_folder
from palm.inference.predictor import Predictor
from palm.paradigm.base import Prediction
from palm.schema.fields import Kernels, Precision


class RunPredictor(Mapping[str, Predictor]):
    """The inference models of a run, by task: `palm.load("RUN")`.

    Args:
        predictors: The predictor of each task.
    """

    def __init__(self, predictors: Mapping[str, Predictor]) -> None:
        self._predictors = dict(predictors)

    def __getitem__(self, task: str) -> Predictor:
        """The predictor of `task`."""
        return self._predictors[task]

    def __iter__(self) -> Iterator[str]:
        return iter(self._predictors)

    def __len__(self) -> int:
        return len(self._predictors)

    def __call__(self, rows: Sequence[GivenRow]) -> dict[str, list[Prediction]]:
        """The predictions of every task for the same rows; see `Predictor.predict_rows`.

        Raises:
            DataError: Every problem, with its row; also where a task needs another column.
        """
        return {task: predictor(rows) for task, predictor in self._predictors.items()}


def load(
    path: str | Path,
    *,
    kernels: Kernels = "auto",
    precision: Precision = "auto",
    max_drop: float | None = None,
    allow_unmeasured: bool = False,
) -> Predictor | RunPredictor:
    """Load what a run has exported, to predict texts: `palm.load("RUN/task")(["one text", {"text_a": "another"}])`.

    Args:
        path: `RUN/task` or its `infer_model`, which gives a `Predictor`; or the save_path of a run, which gives a
            `RunPredictor` over all tasks that it has exported.
        kernels: The encoder's kernels on the CPU: `auto`, `fused` or `plain`.
        precision: `auto`, `float32`, `bf16` or `int8`; see `Predictor`.
        max_drop: Points (hundredths) of the main metric that int8 may cost; 0.3 by default.
        allow_unmeasured: Whether `int8` may be used without a measurement.

    Raises:
        ConfigError: `path` is no path, there is no kernel for `precision`, or int8 is not measured or costs too much.
        CheckpointError: No inference model is there, or a damaged one.
    """
    if not isinstance(path, str | Path) or not str(path):
        found = f"Found {type(path).__name__} `{path}`."
        rule = "load() takes the path of a run, of a task in it (`RUN/task`) or of an inference model."
        raise ConfigError(Problem("palm.load", f"{rule} {found} Pass a string or a Path."))
    build = partial(
        Predictor, kernels=kernels, precision=precision, max_drop=max_drop, allow_unmeasured=allow_unmeasured
    )
    folder = model_folder(path)
    if folder is not None:
        return build(folder)
    return RunPredictor({task: build(place) for task, place in exported_tasks(path).items()})
