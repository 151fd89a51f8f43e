"""`palm pred`: predict a task's file, or texts, with a configuration or with what a run has exported."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import palm
from palm.cli.pred_output import Output
from palm.cli.pred_texts import ask, read_lines, row_of_texts, rows_of_lines
from palm.errors import ConfigError, DataError, Problem
from palm.inference.exported import advice_for, exported_tasks, model_folder

if TYPE_CHECKING:
    from palm.inference.predictor import Predictor

EPILOG = """example:
  palm pred output_model/intent "book me a room"          one text; a second one for a task of pairs
  palm pred output_model "book me a room"                 every task that the run has exported
  echo "book me a room" | palm pred output_model/intent -
  palm pred output_model -i                               asks for texts, until Ctrl-D
  palm pred output_model/intent --file new.csv --output predictions.csv --keep_columns url,date
  palm pred config.yaml intent                            the task's pred_file
  palm pred --model output_model/intent/infer_model --file new.tsv --output out
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "pred",
        help="predict with an inference model",
        description="Predict a file and print its first predictions, or predict texts. Prints JSON lines, or on a "
        "terminal what they say.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "config", nargs="?", metavar="RUN", help="RUN/task, RUN (all of its tasks), or a global YAML file"
    )
    parser.add_argument(
        "task",
        nargs="*",
        metavar="TEXT",
        help="the text to predict, and the second one of a pair (mrc: question and context); - reads a text from each "
        "line of stdin, texts of a pair separated by a tab, or a JSON object of columns. With a YAML file: the task",
    )
    parser.add_argument("--model", help="inference model folder (default: save_path/<task>/infer_model)")
    parser.add_argument("--file", help="data to predict (default: the task's pred_file)")
    _add_cell(parser, "--text", "text_a", "one text to predict with --model (column text_a)")
    _add_cell(parser, "--text_b", "text_b", "the second text of a pair")
    _add_cell(parser, "--question", "question", "a question to predict with --model (mrc), with --context")
    _add_cell(parser, "--context", "context", "the text that answers the question")
    parser.add_argument("-i", "--interactive", action="store_true", help="ask for texts; Ctrl-D ends")
    parser.add_argument(
        "--output",
        help="folder for predictions.json, or a file that ends in .csv, .tsv, .json or .jsonl (default: "
        "pred_output_path, or save_path/<task>)",
    )
    parser.add_argument("--keep_columns", help="further columns of the file that predictions keep: url,date")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bf16", "int8"), help="auto (as it was trained; default), float32, …"
    )
    parser.add_argument("--max_drop", type=float, help="points of the main metric that int8 may cost (default: 0.3)")
    parser.add_argument(
        "--allow_unmeasured", action="store_true", help="predict in int8 also where palm eval has not measured its cost"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines also on a terminal")
    parser.add_argument("--show", type=int, default=3, help="number of predictions of a file to print (default: 3)")
    parser.takes_texts = _names_folder
    parser.set_defaults(func=run)


def _add_cell(parser: argparse.ArgumentParser, option: str, column: str, meaning: str) -> None:
    """Add an option for `column` of the row to predict."""
    cell = partial(_cell, column)
    parser.add_argument(option, dest="row", action="append", type=cell, default=[], metavar="TEXT", help=meaning)


def _cell(column: str, text: str) -> tuple[str, str]:
    return column, text


def _names_folder(positionals: Sequence[str]) -> bool:
    return bool(positionals) and Path(positionals[0]).expanduser().is_dir()


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    if args.row and (args.config, args.file) != (None, None):
        rule = "one text goes only with --model, found also a configuration, a run or --file. Remove one of them."
        raise ConfigError(Problem("palm pred", rule))
    if args.config is None or _names_folder([args.config]):
        if overrides:
            rule = f"keys of a configuration go only with one. Found `{overrides[0]}`. Write -- before texts."
            raise ConfigError(Problem("palm pred", rule))
        _with_models(args)
    else:
        _with_configuration(args, overrides)
    return 0


def _with_configuration(args: argparse.Namespace, overrides: list[str]) -> None:
    path = Path(args.config)
    if not path.expanduser().is_file() and path.suffix.lower() not in (".yaml", ".yml"):
        rule = "a global YAML file, a run or a task of a run (RUN/task) is expected."
        raise ConfigError(Problem(args.config, f"{rule} {advice_for(path)}"))
    if len(args.task) != 1 or args.interactive:
        rule = "name one task after the configuration. To predict texts, name the run (its save_path) instead"
        raise ConfigError(Problem("palm pred", f"{rule}: palm pred RUN/task TEXT."))
    task = args.task[0]
    chosen = {
        **{"pred_file": args.file, "pred_output_path": args.output},
        **{"keep_columns": args.keep_columns, "precision": args.precision, "max_drop": args.max_drop},
        "allow_unmeasured": args.allow_unmeasured or None,
    }
    words = [f"--tasks.{task}.{key}={value}" for key, value in chosen.items() if value is not None]
    controller = palm.Controller(args.config, task_dir=args.task_dir, for_train=False, overrides=[*overrides, *words])
    predictor = controller.predictor(task, args.model)
    _say_precision([predictor], args)
    predictions = controller.pred(task, predictor=predictor)  # writes them
    Output(most=args.show, as_json=args.json).show(predictor, predictions)


def _with_models(args: argparse.Namespace) -> None:
    """Predict without a configuration."""
    _check_sources(args)
    predictors, output = _load(args)
    _say_precision(predictors, args)
    if args.interactive:
        _predict_asked(predictors, output)
    elif args.file is not None:
        for predictor in predictors:
            output.show(predictor, predictor.predict(args.file))
    elif args.row:
        [predictor] = predictors
        output.show(predictor, predictor([dict(args.row)]))
    else:
        _predict_texts(predictors, args.task, output)


def _say_precision(predictors: Sequence["Predictor"], args: argparse.Namespace) -> None:
    """Say on stderr what is predicted in where that is chosen, or not the float32 of most models."""
    for predictor in predictors:
        if args.precision or not predictor.precision.endswith("in float32"):
            sys.stderr.write(f"{predictor.task}: {predictor.precision}\n")


def _predict_asked(predictors: Sequence["Predictor"], output: Output) -> None:
    """Predict what a person types with the tasks that take it; a row that none takes, or that is wrong, is named."""
    for row in ask(list(dict.fromkeys(name for predictor in predictors for name in predictor.text_columns))):
        fitting = [predictor for predictor in predictors if set(predictor.text_columns) <= set(row)]
        if not fitting:
            sys.stderr.write(f"No task takes {' and '.join(row)} alone.\n")
        for predictor in fitting:
            try:
                output.show(predictor, predictor([row]))
            except DataError as error:
                sys.stderr.write(f"{error}\n")


def _predict_texts(predictors: Sequence["Predictor"], texts: Sequence[str], output: Output) -> None:
    """Predict texts with each task; of several tasks, those that take others are named and left out."""
    lines = read_lines() if texts == ["-"] else None
    refused: list[tuple[str, ConfigError | DataError]] = []
    for predictor in predictors:
        columns = predictor.text_columns
        try:
            rows = (
                [row_of_texts(texts, columns)]
                if lines is None
                else rows_of_lines(lines, columns, predictor.known_names)
            )
            predictions = predictor(rows)
        except (ConfigError, DataError) as error:
            refused.append((predictor.task, error))
        else:
            output.show(predictor, predictions)
    if len(refused) == len(predictors):
        raise refused[0][1]
    for task, reason in refused:
        sys.stderr.write(f"{task} left out: {reason}\n")


def _check_sources(args: argparse.Namespace) -> None:
    given = [bool(args.row), args.file is not None, bool(args.task), args.interactive]
    if args.config is None and args.model is None:
        rule = "give a run or a task of one (RUN/task), a configuration and a task, or --model and --file or --text."
        raise ConfigError(Problem("palm pred", f"{rule} See palm pred --help."))
    if args.config is not None and args.model is not None:
        raise ConfigError(Problem("palm pred", "--model and a run both name models. Remove one of them."))
    if sum(given) != 1:
        found = "none of them" if not any(given) else "more than one"
        rule = "what to predict is a text, - (lines of stdin), --file, --text or -i"
        raise ConfigError(Problem("palm pred", f"{rule}. Found {found}. Give one."))


def _load(args: argparse.Namespace) -> tuple[list["Predictor"], Output]:
    """The predictors, and where their predictions go."""
    path = args.model or args.config
    folder = model_folder(path) or args.model
    keep = args.keep_columns and [name.strip() for name in args.keep_columns.split(",")]
    places = [folder] if folder is not None else list(exported_tasks(path).values())
    output = Output(
        place=args.output and Path(args.output),
        most=None if args.file is None else args.show,
        as_json=args.json,
        named=folder is None,
    )
    build = partial(
        palm.Predictor,
        keep_columns=keep,
        precision=args.precision or "auto",
        max_drop=args.max_drop,
        allow_unmeasured=args.allow_unmeasured,
    )
    return [build(place) for place in places], output
