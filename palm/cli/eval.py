"""`palm eval`: compute loss and metrics of exported tasks on files with gold labels."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import palm
from palm.cli.eval_errors import ErrorsTable
from palm.distributed.ranks import current_ranks
from palm.errors import ConfigError, PalmError, Problem
from palm.inference.exported import is_exported, model_folder
from palm.schema.fields import Precision
from palm.schema.saved_model import holds_run, read_saved_run
from palm.storage.layout import INFERENCE_FOLDER, RESOLVED_CONFIG, int8_file

if TYPE_CHECKING:
    from palm.controller import Controller
    from palm.inference.predictor import Predictor

EPILOG = """example:
  palm eval output_model                                every task of the run that has a dev_file, by the run's model
  palm eval output_model/intent                         by the task's own model
  palm eval config.yaml                                 every task that has a dev_file
  palm eval config.yaml intent slots
  palm eval config.yaml intent --file data/test.tsv
  palm eval exported --file data/test.tsv               what palm export --to onnx has written
  palm eval output_model intent --errors errors.csv     the rows that are wrong, for a spreadsheet
  palm eval config.yaml intent --precision int8         what int8 costs; kept beside the model
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "eval",
        help="evaluate exported tasks",
        description="Print loss and metrics (fractions of 1) as one JSON line per task.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "config", metavar="RUN", help="RUN (its model of all tasks), RUN/task, an exported graph, or a global YAML file"
    )
    parser.add_argument("task", nargs="*", help="task instances (default: all that have a dev_file)")
    parser.add_argument(
        "--model", help="inference model folder (default: that of RUN; with a YAML file save_path/<task>/infer_model)"
    )
    parser.add_argument("--file", help="data with gold labels (default: the task's dev_file)")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="precision to evaluate in (default: the task's key precision); int8 is compared with float32, and the "
        "result kept in the model's folder, by which predictions in int8 go",
    )
    parser.add_argument(
        "--errors",
        type=Path,
        metavar="FILE.csv",
        help="write the rows that are wrong, worst first, with gold, prediction, probability, loss and all columns",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    if is_exported(Path(args.config).expanduser()):
        return _evaluate_graph(args, overrides)
    named = _find_run(args)
    overrides = overrides if named is None else [f"--save_path={named.run.as_posix()}", *overrides]
    config = args.config if named is None else named.config
    controller = palm.Controller(config, task_dir=args.task_dir, for_train=False, overrides=overrides)
    model: str | Path | None = args.model or (None if named is None else named.model)
    names = args.task or (named and named.tasks) or _tasks_with_data(controller, model, args)
    if not names:
        raise ConfigError(Problem(args.config, "no task has a dev_file. Set one, or name a task and --file."))
    if named is not None and model is not None and current_ranks().first:
        sys.stderr.write(f"metrics of the model {Path(model).as_posix()}\n")
    _evaluate_tasks(controller, names, model, args)
    return 0


def _evaluate_tasks(
    controller: "Controller", names: Sequence[str], model: str | Path | None, args: argparse.Namespace
) -> None:
    errors = None if args.errors is None else ErrorsTable(args.errors, args.file, args.precision)
    line: Mapping[str, object]
    for name in names:
        if args.precision == "int8":
            line = _measure_int8(controller, name, model, args.file)
        elif errors is not None:
            line = errors.evaluate(*controller.to_evaluate(name, model, args.file, precision=args.precision))
        else:
            line = controller.evaluate(name, model, args.file, precision=args.precision)
        if current_ranks().first:
            sys.stdout.write(json.dumps({"task": name, **line}, ensure_ascii=False) + "\n")
    if errors is not None:
        errors.write()


def _measure_int8(
    controller: "Controller", task: str, model: str | Path | None, file: str | None
) -> Mapping[str, object]:
    """What int8 costs a task, which is also said in words."""
    found = controller.measure_int8(task, model, file)
    name = int8_file(task if model and holds_run(Path(model)) else None)
    kept = f"kept as {name} in the model's folder, which `precision: int8` and `auto` go by"
    if current_ranks().first:
        sys.stderr.write(f"{task}: int8 costs {found.drop:.2f} points: {found}; {kept}\n")
    return {**found.model_dump(exclude={"format_version", "palm_version", "weights"}), "drop": found.drop}


def _evaluate_graph(args: argparse.Namespace, overrides: list[str]) -> int:
    """Evaluate tasks of what `palm export` has written, on a file: there is no configuration that names data.

    Without a loss, as graphs have none. Where no task is named, those that do not read the file are named.
    """
    if args.file is None or args.model is not None or overrides:
        rule = "a model that `palm export` has written is evaluated on a file alone, which --file names"
        raise ConfigError(Problem(args.config, f"{rule}: palm eval {args.config} --file FILE [TASK]."))
    loaded = palm.load(args.config, tasks=args.task or None, precision=args.precision or "auto")
    predictors = list(loaded.values()) if isinstance(loaded, Mapping) else [loaded]
    refused: list[tuple[str, PalmError]] = []
    errors = None if args.errors is None else ErrorsTable(args.errors, args.file, args.precision)
    for predictor in predictors:
        try:
            found = _metrics(predictor, args.file, errors)
        except PalmError as error:
            if args.task:
                raise
            refused.append((predictor.task, error))
            continue
        sys.stdout.write(json.dumps({"task": predictor.task, **found}, ensure_ascii=False) + "\n")
    if len(refused) == len(predictors):
        raise refused[0][1]
    if errors is not None:
        errors.write()
    for name, reason in refused:
        sys.stderr.write(f"{name} left out: {str(reason).splitlines()[0]}\n")
    return 0


def _metrics(predictor: "Predictor", file: str, errors: ErrorsTable | None) -> dict[str, float]:
    from palm.reader.loading import load_dataset  # noqa: PLC0415 (not needed for --help)

    return (
        predictor.evaluate(file)
        if errors is None
        else errors.evaluate(predictor, load_dataset(predictor.reader, file, "eval"))
    )


def _tasks_with_data(controller: "Controller", model: str | Path | None, args: argparse.Namespace) -> list[str]:
    """The tasks to evaluate where none is named: those with data, in the model if it is one of several tasks."""
    names = [task.name for task in controller.config.tasks if task.settings.dev_file or args.file]
    if model is None or not holds_run(Path(model)):
        return names
    return [name for name in names if name in read_saved_run(Path(model)).tasks]


@dataclass(frozen=True)
class _Run:
    """A run that is named by its folder.

    Attributes:
        run: Its save_path.
        config: The configuration that it was trained with.
        model: The model to evaluate: of all tasks, or of the named one; None for that of each task.
        tasks: The named task; empty for all.
    """

    run: Path
    config: Path
    model: Path | None
    tasks: list[str]


def _find_run(args: argparse.Namespace) -> _Run | None:
    """The run, if one is named, or a task in it; None for a configuration.

    Raises:
        ConfigError: The folder is neither.
    """
    given = Path(args.config).expanduser()
    if not given.is_dir():
        return None
    run, tasks = given, list[str]()
    if not (given / RESOLVED_CONFIG).is_file() and (given / INFERENCE_FOLDER).is_dir():
        run, tasks = given.parent, [given.name]
    if not (run / RESOLVED_CONFIG).is_file():
        rule = f"a run is known by its {RESOLVED_CONFIG}, which names the data to evaluate on."
        advice = "Name the YAML file, and the model by --model."
        raise ConfigError(Problem(args.config, f"{rule} Found none. {advice}"))
    if tasks and args.task:
        raise ConfigError(Problem("palm eval", f"{args.config} names a task already. Remove `{args.task[0]}`."))
    return _Run(run, run / RESOLVED_CONFIG, model_folder(given), tasks)
