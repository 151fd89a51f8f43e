"""`palm merge`: one model with the heads of several over the same encoder."""

import argparse
import sys
from pathlib import Path
from typing import Any

from palm.errors import ConfigError, Problem

EPILOG = """example:
  palm merge output_model new_run --output served             the tasks of two runs' models
  palm merge output_model topics=new_run/intent --output served   the task of new_run is called topics there
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "merge",
        help="merge models over one encoder into a single one",
        description="Write one model with the tasks of several, whose encoders and vocabularies must be equal bit for "
        "bit, as those of heads that were trained on the frozen encoder of a model are. Each task answers as before.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a run, a task of a run (RUN/task) or an infer_model; NAME=MODEL renames its task, or puts NAME_ before "
        "the names of several",
    )
    parser.add_argument("--output", required=True, type=Path, help="folder of the merged model")
    parser.takes_texts = lambda _: True  # NAME=MODEL is no override
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    from palm.config.broadcast import is_task_name  # noqa: PLC0415 (`palm --help` is quick)
    from palm.inference.merge import ModelSource, merge_models  # noqa: PLC0415

    sources = []
    for word in args.models:
        name, equals, folder = word.partition("=")
        renames = bool(equals) and not Path(word).exists()
        if renames and not is_task_name(name):
            rule = "a task name consists of letters, digits, `_` and `-`."
            raise ConfigError(Problem("palm merge", f"{rule} Found `{name}` in `{word}`. Write NAME=MODEL."))
        sources.append(ModelSource(Path(folder), name) if renames else ModelSource(Path(word)))
    saved = merge_models(sources, args.output)
    sys.stdout.write(f"{args.output.as_posix()}: one encoder with the tasks {', '.join(saved.tasks)}.\n")
    return 0
