"""`palm compare`: each target alone and all tasks together under the same budget, over several seeds."""

import argparse
import os
import shlex
import sys
from typing import Any

from palm.distributed.ranks import current_ranks
from palm.errors import ConfigError, Problem
from palm.runtime.progress import say_beside_bars

EPILOG = """example:
  palm compare config.yaml --seeds 3 --save_path compared
  palm compare config.yaml --seeds 3 --variant uncertainty=weighting=uncertainty --variant private=sharing=private
  palm compare config.yaml --name hard --variants variants.yaml      each line a name with keys: dwa: {weighting: dwa}

Each task alone trains on the same batches that it had together with the others. Finished runs are not repeated.
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "compare",
        help="train each task alone and all together, and report where sharing helps",
        description="Train each target alone and all tasks together under the same budget, over several seeds; write "
        "compare.md and compare.json into save_path. Any key may be given as --key value.",
        epilog=EPILOG,
    )
    parser.add_argument("config", help="global YAML file")
    parser.add_argument("--seeds", default="1", help="number of seeds, counted from random_seed (default: 1)")
    parser.add_argument("--name", default="together", help="name of the unchanged configuration (default: together)")
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME=KEY=VALUE,…", help="a variant (may be repeated)"
    )
    parser.add_argument("--variants", metavar="FILE", help="YAML file with variants by name")
    parser.add_argument("--keep_models", action="store_true", help="keep the runs' inference models and checkpoints")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command.

    Raises:
        ConfigError: Every problem of the configuration.
        DataError: Every problem of the data.

    """
    if current_ranks().count > 1:
        rule = "a comparison trains one run after the other in one process, so that all have the same budget and time"
        found = f"Found {current_ranks().count} processes"
        raise ConfigError(Problem("palm compare", f"{rule}. {found}. Start it without a launcher."))
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # as in palm check
    from palm.cli.check import aligned  # noqa: PLC0415 (not needed for --help)
    from palm.compare.plan import make_plan  # noqa: PLC0415 (as above)
    from palm.compare.variants import read_variants  # noqa: PLC0415

    variants = read_variants(args.name, args.variant, args.variants)
    plan = make_plan(
        args.config, task_dir=args.task_dir, overrides=overrides, variants=variants, seeds=_count(args.seeds)
    )
    from palm.compare.report import Comparison  # noqa: PLC0415
    from palm.compare.runs import run_all  # noqa: PLC0415

    runs = run_all(plan, keep_models=args.keep_models, say=say_beside_bars)
    comparison = Comparison(plan, runs, shlex.join(["palm", *sys.argv[1:]]))
    comparison.write()
    _say("\n" + aligned(comparison.rows()))
    if comparison.cosine_rows():
        _say(aligned(comparison.cosine_rows()))
    for line in comparison.remarks():
        _say(line)
    _say(f"Written to {plan.folder.as_posix()}: compare.md, compare.json")
    return 0


def _count(word: str) -> int:
    if not word.isascii() or not word.isdigit() or int(word) < 1:
        raise ConfigError(Problem("--seeds", f"the number of seeds must be 1 or more. Found `{word}`."))
    return int(word)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
