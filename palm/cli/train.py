"""`palm train`: train all tasks of a configuration."""

import argparse
from typing import Any

import palm

EPILOG = """example:
  palm train examples/quickstart/config.yaml --num_epochs 2 --tasks.intent.batch_size 16
  palm train config.yaml --resume        continue from the newest valid checkpoint in save_path
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "train",
        help="train all tasks of a configuration",
        description="Train all tasks of a configuration over one shared encoder. Any key may be given as --key value.",
        epilog=EPILOG,
    )
    parser.add_argument("config", help="global YAML file")
    parser.add_argument(
        "--resume", nargs="?", const="auto", choices=("auto", "never"), help="continue from the newest valid checkpoint"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    words = [*overrides, f"--resume={args.resume}"] if args.resume else overrides
    palm.Controller(args.config, task_dir=args.task_dir, overrides=words).train()
    return 0
