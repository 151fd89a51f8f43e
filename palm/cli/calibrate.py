"""`palm calibrate`: fit a temperature to the probabilities of a model, and store it with the model."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import palm
from palm.distributed.ranks import current_ranks
from palm.errors import CheckpointError, ConfigError, PalmError, Problem, counted
from palm.inference.exported import advice_for, is_exported, model_folder
from palm.runtime.paddle_import import import_paddle
from palm.schema.saved_model import SavedCalibration, read_saved_run
from palm.storage.layout import CONFIG_FILE, INFERENCE_FOLDER, RESOLVED_CONFIG

if TYPE_CHECKING:
    from palm.data.dataset import Dataset
    from palm.inference.predictor import Predictor
    from palm.inference.run_predictor import RunPredictor

EPILOG = """example:
  palm calibrate output_model                           every head of the run's model, on the dev rows of its task
  palm calibrate output_model intent --file dev.tsv
  palm calibrate output_model/intent                    the task's own model
  palm calibrate output_model intent --remove
"""
_FEW = 100
_ABOUT = "Answers stay the same; predictions of this model have the new probabilities from now on."


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "calibrate",
        help="make probabilities of a model as large as they are right",
        description="Fit one temperature per head on rows with gold labels that the model was not trained on, and "
        "store it with the model. Prints a JSON line per task.",
        epilog=EPILOG,
    )
    parser.add_argument("model", metavar="MODEL", help="RUN (its model of all tasks), RUN/task, or an inference model")
    parser.add_argument("task", nargs="*", help="tasks of the model (default: all)")
    parser.add_argument("--file", help="rows with gold labels (default: the dev rows of the run)")
    parser.add_argument("--remove", action="store_true", help="remove the temperatures that are stored")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Run the command."""
    del overrides
    folder = _folder(args.model)
    if not current_ranks().first:
        return 0
    if args.remove:
        _remove(folder, args)
        return 0
    from palm.inference.calibrated import write_calibrations  # noqa: PLC0415 (not needed for --help)

    import_paddle()
    found, left_out = _fit(folder, args)
    if found:
        write_calibrations(folder, found)
    for task, calibration in found.items():
        sys.stdout.write(json.dumps({"task": task, **calibration.model_dump()}, ensure_ascii=False) + "\n")
    _say(found, left_out, folder)
    return 0


def _folder(path: str) -> Path:
    """The model's folder.

    Raises:
        CheckpointError: There is none, or a graph.
    """
    folder = model_folder(path)
    if folder is None and is_exported(Path(path).expanduser()):
        folder = Path(path).expanduser()
    if folder is None:
        raise CheckpointError(f"{path}: no inference model here. {advice_for(Path(path).expanduser())}")
    if is_exported(folder):
        rule = "a temperature is stored with the trained model. Found a graph that `palm export` has written"
        raise CheckpointError(f"{folder}: {rule}. Calibrate the trained model, and export it again.")
    return folder


class _Rows(NamedTuple):
    """A task's model, and rows with gold labels."""

    predictor: "Predictor"
    dataset: "Dataset"


def _fit(folder: Path, args: argparse.Namespace) -> tuple[dict[str, SavedCalibration], dict[str, str]]:
    """The temperature of each task, and why other tasks of several have none.

    Raises:
        PalmError: That of the first named task that has none, or of all.
    """
    from palm.analysis.temperature import calibrate  # noqa: PLC0415 (not needed for --help)

    found: dict[str, SavedCalibration] = {}
    refused: dict[str, PalmError] = {}
    names = args.task or list(read_saved_run(folder).tasks)
    for task in names:
        try:
            found[task] = calibrate(*_rows(folder, task, args.file))
        except PalmError as error:
            if args.task or len(names) == 1:
                raise
            refused[task] = error
    if not found:
        raise next(iter(refused.values()))
    return found, {task: str(error).splitlines()[0] for task, error in refused.items()}


def _rows(folder: Path, task: str, file: str | None) -> _Rows:
    from palm.analysis.temperature import check_calibrates  # noqa: PLC0415 (not needed for --help)
    from palm.reader.loading import load_dataset  # noqa: PLC0415 (as above)

    if file is not None:
        predictor = cast("RunPredictor", palm.load(folder, tasks=[task]))[task]
        check_calibrates(predictor)
        return _Rows(predictor, load_dataset(predictor.reader, file, "eval"))
    places = (folder.parent, folder.parent.parent) if folder.name == INFERENCE_FOLDER else ()
    run = next((place for place in places if (place / RESOLVED_CONFIG).is_file()), None)
    if run is None:
        rule = f"the dev rows of a model are named by the {RESOLVED_CONFIG} of its run. Found none"
        raise ConfigError(Problem("--file", f"{rule} beside {folder}. Name a file with gold labels."))
    words = [f"--save_path={run.as_posix()}"]
    controller = palm.Controller(str(run / RESOLVED_CONFIG), for_train=False, overrides=words)
    return _Rows(*controller.to_evaluate(task, folder))


def _remove(folder: Path, args: argparse.Namespace) -> None:
    from palm.inference.calibrated import write_calibrations  # noqa: PLC0415 (not needed for --help)

    saved = read_saved_run(folder)
    unknown = [task for task in args.task if task not in saved.tasks]
    if unknown:
        listed = ", ".join(saved.tasks)
        raise ConfigError(Problem("task", f"{folder} has no task `{unknown[0]}`. Its tasks: {listed}."))
    names = [name for name in args.task or saved.tasks if saved.tasks[name].calibration is not None]
    if names:
        write_calibrations(folder, dict.fromkeys(names))
    removed = f"removed the temperatures of {', '.join(names)}" if names else "no temperature was stored"
    sys.stderr.write(f"{folder.as_posix()}: {removed}\n")


def _say(found: Mapping[str, SavedCalibration], left_out: Mapping[str, str], folder: Path) -> None:
    from palm.inference.run_card import calibration_in_words  # noqa: PLC0415 (not needed for --help)

    for task, calibration in found.items():
        sys.stderr.write(f"{task}: {calibration_in_words(calibration)}\n")
        if calibration.count < _FEW:
            few = counted(calibration.count, calibration.unit)
            sys.stderr.write(f"Warning: {task}: {few} determine a temperature only roughly. Give more, if there are.\n")
    for task, reason in left_out.items():
        sys.stderr.write(f"{task} left out: {reason}\n")
    sys.stderr.write(f"stored in {(folder / CONFIG_FILE).as_posix()}. {_ABOUT}\n")
