"""`palm compare`: each target alone and all tasks together under the same budget, over several seeds."""

import argparse
import os
import shlex
import sys
from typing import Any

from palm.errors import ConfigError, Problem

EPILOG = """example:
  palm compare config.yaml --seeds 3 --save_path compared
  palm compare config.yaml --seeds 3 --variant uncertainty=weighting=uncertainty --variant private=sharing=private
  palm compare config.yaml --name hard --variants variants.yaml      a name and its keys each: dwa: {weighting: dwa}

Each task alone trains on the very batches that it had together with the others. A run that is done is not repeated.
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "compare",
        help="train each task alone and all together, and say where sharing helps",
        description="Train each target alone and all tasks together under the same budget, over several seeds; write "
        "compare.md and compare.json into save_path. Any key may be given as --key value.",
        epilog=EPILOG,
    )
    parser.add_argument("config", help="global YAML file")
    parser.add_argument("--seeds", default="1", help="how many seeds, from random_seed on (default: 1)")
    parser.add_argument("--name", default="together", help="name of the configuration as it stands (default: together)")
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME=KEY=VALUE,…", help="a variant (may be repeated)"
    )
    parser.add_argument("--variants", metavar="FILE", help="YAML file of variants, by name")
    parser.add_argument("--keep_models", action="store_true", help="keep the runs' inference models and checkpoints")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Carry the command out.

    Raises:
        ConfigError: With everything that is wrong.
        DataError: With everything that is wrong with the data.

    """
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

    runs = run_all(plan, keep_models=args.keep_models, say=_say)
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
        raise ConfigError(Problem("--seeds", f"a number of seeds is wanted, 1 or more. Found `{word}`."))
    return int(word)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
