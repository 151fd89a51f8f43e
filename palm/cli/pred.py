"""`palm pred`: predict a task's file, or texts, with a configuration or with what a run has exported."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import palm
from palm.cli.pred_output import Output
from palm.cli.pred_texts import TextRow, ask, read_lines, row_of_texts, rows_of_lines
from palm.distributed.ranks import current_ranks
from palm.errors import ConfigError, DataError, Problem
from palm.inference.exported import advice_for, is_exported, model_folder, run_model

if TYPE_CHECKING:
    from palm.data.dataset import Dataset
    from palm.inference.predictor import Predictor
    from palm.inference.run_predictor import RunPredictor

EPILOG = """example:
  palm pred output_model/intent "book me a room"          one text; a second one for a task of pairs
  palm pred output_model "book me a room"                 every task of the run, from one pass of the encoder
  echo "book me a room" | palm pred output_model/intent -
  palm pred output_model -i                               asks for texts, until Ctrl-D
  palm pred output_model/intent --file new.csv --output predictions.csv --keep_columns url,date
  palm pred output_model/news --file test.json --format fewclue --output tnewsf_predict.json
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
        "config",
        nargs="?",
        metavar="RUN",
        help="RUN/task, RUN (all of its tasks), an exported graph, or a global YAML file",
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
    parser.add_argument(
        "--format",
        choices=("palm", "fewclue"),
        default="palm",
        help='fewclue: --output is a file of {"id", "label"} lines, as FewCLUE expects submissions (default: palm, '
        "everything that is predicted)",
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
    if args.format == "fewclue":
        rule = "a submission is written from a trained task (RUN/task), not from a configuration"
        raise ConfigError(Problem("--format fewclue", f"{rule}. Name the task's folder instead."))
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
    if current_ranks().first:
        _say_precision([predictor], args)
    predictions = controller.pred(task, predictor=predictor)  # writes them
    if current_ranks().first:
        Output(most=args.show, as_json=args.json).show(predictor, predictions)


def _with_models(args: argparse.Namespace) -> None:
    """Predict without a configuration; of several processes, the first one does."""
    if not current_ranks().first:
        return
    _check_sources(args)
    _check_format(args)
    run, output = _load(args)
    _say_precision(list(run.values()), args)
    if args.interactive:
        _predict_asked(run, output)
    elif args.file is not None:
        found = run.predict_datasets({task: predictor.read_file(args.file) for task, predictor in run.items()})
        for task, predictions in found.items():
            output.show(run[task], predictions)
    elif args.row:
        [predictor] = run.values()
        output.show(predictor, predictor([dict(args.row)]))
    else:
        _predict_texts(run, args.task, output)


def _say_precision(predictors: Sequence["Predictor"], args: argparse.Namespace) -> None:
    """Say on stderr what is predicted in where that is chosen, or not the float32 of most models."""
    for predictor in predictors:
        if args.precision or not predictor.precision.endswith("in float32"):
            sys.stderr.write(f"{predictor.task}: {predictor.precision}\n")


def _predict_asked(run: "RunPredictor", output: Output) -> None:
    """Predict what a person types with the tasks that take it; a row that none takes, or that is wrong, is named."""
    for row in ask(list(dict.fromkeys(name for predictor in run.values() for name in predictor.text_columns))):
        fitting = [task for task, predictor in run.items() if set(predictor.text_columns) <= set(row)]
        if not fitting:
            sys.stderr.write(f"No task takes {' and '.join(row)} alone.\n")
        for _, error in _predict(run, {task: partial(_same, [row]) for task in fitting}, output):
            sys.stderr.write(f"{error}\n")


def _same(rows: Sequence[TextRow]) -> Sequence[TextRow]:
    return rows


def _predict_texts(run: "RunPredictor", texts: Sequence[str], output: Output) -> None:
    """Predict texts with each task; of several tasks, those that take others are named and left out."""
    lines = read_lines() if texts == ["-"] else None

    def rows_for(predictor: "Predictor") -> Sequence[TextRow]:
        columns = predictor.text_columns
        return [row_of_texts(texts, columns)] if lines is None else rows_of_lines(lines, columns, predictor.known_names)

    refused = _predict(run, {task: partial(rows_for, predictor) for task, predictor in run.items()}, output)
    if len(refused) == len(run):
        raise refused[0][1]
    for task, reason in refused:
        sys.stderr.write(f"{task} left out: {reason}\n")


Refused = tuple[str, ConfigError | DataError]
"""A task that cannot read a row, and why."""


def _predict(run: "RunPredictor", rows: Mapping[str, Callable[[], Sequence[TextRow]]], output: Output) -> list[Refused]:
    """Show the predictions of tasks for their rows, from one pass where they agree; the tasks that cannot read them."""
    datasets: dict[str, Dataset] = {}
    refused: list[Refused] = []
    for task, rows_of_task in rows.items():
        try:
            datasets[task] = run[task].read_rows(rows_of_task())
        except (ConfigError, DataError) as error:
            refused.append((task, error))
    for task, predictions in run.predict_datasets(datasets).items():
        output.show(run[task], predictions)
    return refused


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


def _check_format(args: argparse.Namespace) -> None:
    is_file = args.output is not None and Path(args.output).suffix.lower() in (".json", ".jsonl")
    if args.format == "fewclue" and not (args.file and is_file):
        rule = "a submission holds the labels of a file's rows, as JSON lines in a file that ends in .json or .jsonl"
        raise ConfigError(Problem("--format fewclue", f"{rule}. Give --file FILE --output NAME.json."))


def _load(args: argparse.Namespace) -> tuple["RunPredictor", Output]:
    """The predictors, and where their predictions go."""
    path = args.model or args.config
    whole, folder = run_model(path), model_folder(path) or args.model
    named = folder is None or whole is not None
    output = Output(
        place=args.output and Path(args.output),
        most=None if args.file is None else args.show,
        as_json=args.json,
        named=named,
        fewclue=args.format == "fewclue",
    )
    keys = {
        "keep_columns": args.keep_columns and [name.strip() for name in args.keep_columns.split(",")],
        "precision": args.precision or "auto",
        "max_drop": args.max_drop,
        "allow_unmeasured": args.allow_unmeasured,
    }
    if not named:
        predictor = cast("Predictor", (palm.load if is_exported(Path(folder)) else palm.Predictor)(folder, **keys))
        from palm.inference.run_predictor import RunPredictor  # noqa: PLC0415 (needs Paddle, which is set up by now)

        return RunPredictor({predictor.task: predictor}), output
    run = cast("RunPredictor", palm.load(path, **keys))
    if whole is not None and run.saved is not None:
        which = "answers of the model of all tasks"
        if run.saved.global_step is not None:
            which = f"answers of the model of all tasks of global step {run.saved.global_step}"
        sys.stderr.write(f"{which}: {whole.as_posix()}\n")
    return run, output
