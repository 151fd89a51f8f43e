"""`palm pseudo-label`: predict rows without labels, and write the certain ones as rows to train on."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import palm
from palm.errors import ConfigError, Problem, counted

if TYPE_CHECKING:
    from palm.inference.predictor import Predictor

EPILOG = """example:
  palm pseudo-label output_model/intent unlabelled.txt --output pseudo.txt
  palm pseudo-label output_model/news unlabeled.json --min_prob 0.95 --per_label 200 --output pseudo.jsonl
  palm train config.yaml --tasks.news.pseudo_data_path pseudo.jsonl     trains on them as well
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "pseudo-label",
        help="predict rows without labels, and write the certain ones as training rows",
        description="Predict a file with a trained task, and write the rows whose label is certain enough as labelled "
        "rows: JSON lines with `prob`, or `text<TAB>label` into a file that ends in .txt.",
        epilog=EPILOG,
    )
    parser.add_argument("model", metavar="RUN/task", help="the trained task")
    parser.add_argument("file", metavar="FILE", help="rows to predict")
    parser.add_argument("--output", required=True, type=Path, metavar="NEWFILE", help="a .jsonl, .json or .txt file")
    parser.add_argument("--min_prob", type=float, default=0.9, help="least probability of a label (default: 0.9)")
    parser.add_argument("--per_label", type=int, metavar="N", help="most rows of a label: the N most certain ones")
    parser.add_argument("--keep_columns", help="further columns of FILE for JSON lines: url,date")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    _check(args)
    predictor = _predictor(args)
    predictions = predictor.predict(args.file)
    from palm.inference.pseudo_labels import choose_certain, write_labelled  # noqa: PLC0415 (imports Paddle)

    chosen = choose_certain(predictor, predictions, least=args.min_prob, most=args.per_label)
    write_labelled(chosen.rows, predictor.reader, args.output)
    found = ", ".join(f"{label} {count}" for label, count in chosen.counts.items()) or "none"
    sys.stdout.write(
        f"{args.output.as_posix()}: {len(chosen.rows)} of {counted(len(predictions), 'row')} with a probability of at "
        f"least {args.min_prob:g} ({found}).\n"
    )
    for reason, count in chosen.left_out.items():
        sys.stdout.write(f"  {reason}: {count}\n")
    return 0


def _check(args: argparse.Namespace) -> None:
    problems = []
    if not 0 <= args.min_prob <= 1:
        problems.append(Problem("--min_prob", f"a probability from 0 to 1 is expected. Found {args.min_prob}."))
    if args.per_label is not None and args.per_label < 1:
        problems.append(Problem("--per_label", f"a number of rows, at least 1, is expected. Found {args.per_label}."))
    if args.output.suffix.lower() not in (".jsonl", ".json", ".txt"):
        rule = "rows are written as JSON lines (.jsonl, .json) or as text, tab, label (.txt)."
        problems.append(Problem("--output", f"{rule} Found `{args.output.name}`. Give it one of these endings."))
    if args.output.exists() and Path(args.file).exists() and args.output.samefile(args.file):
        rule = "the rows are written to another file."
        problems.append(Problem("--output", f"{rule} Found the same, `{args.output}`. Give another name."))
    if args.keep_columns and args.output.suffix.lower() == ".txt":
        problems.append(Problem("--keep_columns", "a .txt file has a text and a label per row. Write a .jsonl file."))
    if problems:
        raise ConfigError(problems)


def _predictor(args: argparse.Namespace) -> "Predictor":
    """The task's predictor; of a run with a single task, that task's."""
    kept = [name.strip() for name in args.keep_columns.split(",")] if args.keep_columns else None
    loaded = palm.load(args.model, keep_columns=kept)
    from palm.inference.run_predictor import RunPredictor  # noqa: PLC0415 (needs Paddle, which is set up by now)

    if not isinstance(loaded, RunPredictor):
        return loaded
    if len(loaded) != 1:
        rule = "one task labels the rows. Found a run with several"
        raise ConfigError(Problem(args.model, f"{rule} ({', '.join(loaded)}). Name one: {args.model}/TASK."))
    return next(iter(loaded.values()))
