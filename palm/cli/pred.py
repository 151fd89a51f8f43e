"""`palm pred`: predict a task's file, or one text, with an inference model."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import palm
from palm.errors import ConfigError, Problem

EPILOG = """example:
  palm pred config.yaml intent
  palm pred config.yaml intent --tasks.intent.pred_file new.tsv
  palm pred --model output_model/intent/infer_model --file new.tsv --output out
  palm pred --model output_model/intent/infer_model --text "book me a room"
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "pred",
        help="predict with an inference model",
        description="Predict a file; write predictions.json and print its first lines. Or print what one text gives.",
        epilog=EPILOG,
    )
    parser.add_argument("config", nargs="?", help="global YAML file")
    parser.add_argument("task", nargs="?", help="name of the task instance")
    parser.add_argument("--model", help="inference model folder (default: save_path/<task>/infer_model)")
    parser.add_argument("--file", help="data to predict (default: the task's pred_file)")
    _add_cell(parser, "--text", "text_a", "one text to predict with --model (column text_a)")
    _add_cell(parser, "--text_b", "text_b", "the second text of a pair")
    _add_cell(parser, "--question", "question", "a question to predict with --model (mrc), with --context")
    _add_cell(parser, "--context", "context", "the text that answers the question")
    parser.add_argument("--output", help="folder for predictions.json (default: pred_output_path, or save_path/<task>)")
    parser.add_argument("--show", type=int, default=3, help="number of predictions to print (default: 3)")
    parser.set_defaults(func=run)


def _add_cell(parser: argparse.ArgumentParser, option: str, column: str, meaning: str) -> None:
    """Add an option for `column` of the row to predict."""
    cell = partial(_cell, column)
    parser.add_argument(option, dest="row", action="append", type=cell, default=[], metavar="TEXT", help=meaning)


def _cell(column: str, text: str) -> tuple[str, str]:
    return column, text


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    if args.row and (args.config, args.file) != (None, None):
        rule = "one text goes only with --model, found also a configuration or --file. Remove one of them."
        raise ConfigError(Problem("palm pred", rule))
    if args.config is None:
        predictions = _without_configuration(args)
    elif args.task is None:
        raise ConfigError(Problem("palm pred", "name a task after the configuration. See palm pred --help."))
    else:
        chosen = {"pred_file": args.file, "pred_output_path": args.output}
        words = [f"--tasks.{args.task}.{key}={value}" for key, value in chosen.items() if value is not None]
        controller = palm.Controller(
            args.config, task_dir=args.task_dir, for_train=False, overrides=[*overrides, *words]
        )
        predictions = controller.pred(args.task, args.model)
    for prediction in predictions[: args.show]:
        sys.stdout.write(json.dumps(prediction, ensure_ascii=False) + "\n")
    return 0


def _without_configuration(args: argparse.Namespace) -> list[dict[str, object]]:
    if args.model is None or (args.file is None and not args.row):
        rule = "give either a configuration and a task, or --model and --file or --text."
        raise ConfigError(Problem("palm pred", rule))
    predictor = palm.Predictor(args.model)
    predictions = predictor.predict_rows([dict(args.row)]) if args.row else predictor.predict(args.file)
    if args.output is not None:
        from palm.inference.predictor import write_predictions  # noqa: PLC0415 (imports Paddle)

        write_predictions(predictor.paradigm, predictions, Path(args.output))
    return predictions
