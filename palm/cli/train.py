"""`palm train`: train all tasks of a configuration, in this process or in several."""

import argparse
from typing import Any

import palm
from palm.distributed.rank_environment import DEFAULT_TIMEOUT, is_rank, is_supervised

EPILOG = """example:
  palm train examples/quickstart/config.yaml --num_epochs 2 --tasks.intent.batch_size 16
  palm train config.yaml --resume        continue from the newest valid checkpoint in save_path
  palm train config.yaml --nproc 2       two processes on this machine: see docs/distributed.md
"""

_NPROC = "processes on this machine (default: one per visible GPU; 1 without)"
_RANK_TIMEOUT = f"name a process that does not answer for so long, and stop (default: {DEFAULT_TIMEOUT:g})"
_MAX_RESTARTS = "restarts from the newest checkpoint after a failure (default: 0)"


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
    parser.add_argument(
        "--log", choices=("panel", "lines"), default="panel", help="on a terminal: a live panel (default), or lines"
    )
    ranks = parser.add_argument_group("several processes")
    ranks.add_argument("--nproc", type=_positive, metavar="N", help=_NPROC)
    ranks.add_argument(
        "--nnodes", type=_positive, metavar="N", help="machines, each with --nproc processes (default: 1)"
    )
    ranks.add_argument("--node_rank", type=_natural, metavar="R", help="which of the machines this is, from 0")
    ranks.add_argument("--master", metavar="HOST:PORT", help="address of machine 0, and a port that is free there")
    ranks.add_argument("--rank_timeout", type=_seconds, metavar="SECONDS", help=_RANK_TIMEOUT)
    ranks.add_argument("--max_restarts", type=_natural, metavar="N", help=_MAX_RESTARTS)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    from palm.cli.train_ranks import launch, plan_of, refuse_in_a_rank  # noqa: PLC0415 (`palm train --help` needs none)
    from palm.distributed.ranks import current_ranks  # noqa: PLC0415 (as below)

    if is_rank() or is_supervised():
        refuse_in_a_rank(args)
    else:
        plan = plan_of(args, overrides)
        if plan is not None:
            return launch(plan)
    words = [*overrides, f"--resume={args.resume}"] if args.resume else overrides
    try:
        palm.Controller(args.config, task_dir=args.task_dir, overrides=words).train(log=args.log)
    except Exception as error:  # also those that the command line turns into an exit code
        current_ranks().watch.failed(error)
        raise
    return 0


def _positive(text: str) -> int:
    return _number(text, at_least=1)


def _natural(text: str) -> int:
    return _number(text, at_least=0)


def _number(text: str, *, at_least: int) -> int:
    if not text.isdecimal() or int(text) < at_least:
        raise argparse.ArgumentTypeError(f"a whole number of at least {at_least} is expected. Found `{text}`")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"a number of seconds, at least 1, is expected. Found `{text}`")
    return value
