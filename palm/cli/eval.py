"""`palm eval`: compute loss and metrics of exported tasks on files with gold labels."""

import argparse
import json
import sys
from typing import Any, get_args

import palm
from palm.errors import ConfigError, Problem
from palm.schema.fields import Precision
from palm.storage.layout import INT8_FILE

EPILOG = """example:
  palm eval config.yaml                                 every task that has a dev_file
  palm eval config.yaml intent slots
  palm eval config.yaml intent --file data/test.tsv
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
    parser.add_argument("config", help="global YAML file")
    parser.add_argument("task", nargs="*", help="task instances (default: all that have a dev_file)")
    parser.add_argument("--model", help="inference model folder (default: save_path/<task>/infer_model)")
    parser.add_argument("--file", help="data with gold labels (default: the task's dev_file)")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="precision to evaluate in (default: the task's key precision); int8 is compared with float32, and the "
        "result kept in the model's folder, by which predictions in int8 go",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    controller = palm.Controller(args.config, task_dir=args.task_dir, for_train=False, overrides=overrides)
    names = args.task or [task.name for task in controller.config.tasks if task.settings.dev_file or args.file]
    if not names:
        raise ConfigError(Problem(args.config, "no task has a dev_file. Set one, or name a task and --file."))
    for name in names:
        if args.precision == "int8":
            found = controller.measure_int8(name, args.model, args.file)
            kept = f"kept as {INT8_FILE} in the model's folder, which `precision: int8` and `auto` go by"
            sys.stderr.write(f"{name}: int8 costs {found.drop:.2f} points: {found}; {kept}\n")
            line = {**found.model_dump(exclude={"format_version", "palm_version", "weights"}), "drop": found.drop}
        else:
            line = dict(controller.evaluate(name, args.model, args.file, precision=args.precision))
        sys.stdout.write(json.dumps({"task": name, **line}, ensure_ascii=False) + "\n")
    return 0
