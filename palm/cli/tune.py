"""`palm tune`: search the keys of a configuration for the best dev metric."""

import argparse
import os
import sys
from typing import Any

from palm.distributed.ranks import current_ranks
from palm.errors import ConfigError, Problem, counted

EPILOG = """example:
  palm tune config.yaml --trials 20 --save_path tuned
  palm tune config.yaml --trials 40 --save_path tuned --resume      20 more; Ctrl-C keeps what has ended
  palm train tuned/best.yaml

config.yaml has `search: {learning_rate: [1e-5, 5e-4, log], batch_size: {choices: [16, 32]}}`.
"""
_SHOWN = 10


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "tune",
        help="search keys for the best dev metric",
        description="Train a configuration with values of its `search:`, over and over, for the best dev metric: that "
        "of `selection` or `metric_for_best_model`, or the mean of the targets' main metrics. Writes tune.json and "
        "best.yaml into save_path, and each trial into a folder of it. Any other key may be given as --key value.",
        epilog=EPILOG,
    )
    parser.add_argument("config", help="global YAML file with `search:`")
    parser.add_argument(
        "--trials", default="20", metavar="N", help="trials in all, those before --resume included (20)"
    )
    parser.add_argument("--seeds", default="1", metavar="N", help="seeds of each trial, counted from random_seed (1)")
    parser.add_argument("--resume", action="store_true", help="continue the search in save_path")
    parser.add_argument("--no_prune", action="store_true", help="end no trial early")
    parser.add_argument("--keep_models", action="store_true", help="keep the models of all trials, not of the best one")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command.

    Raises:
        ConfigError: Every problem of the configuration and of its search.
        DataError: Every problem of the data.
    """
    if current_ranks().count > 1:
        rule = "a search trains one trial after the other in one process"
        found = f"Found {current_ranks().count} processes"
        raise ConfigError(Problem("palm tune", f"{rule}. {found}. Start it without a launcher."))
    trials, seeds = _count("--trials", args.trials), _count("--seeds", args.seeds)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # as in palm check
    from palm.cli.check import aligned  # noqa: PLC0415 (not needed for --help)
    from palm.runtime.environment import prepare_runtime  # noqa: PLC0415 (as above)
    from palm.runtime.paddle_import import import_paddle  # noqa: PLC0415
    from palm.storage.run_lock import exclusive_run_lock  # noqa: PLC0415
    from palm.tune.plan import make_plan  # noqa: PLC0415

    plan = make_plan(args.config, task_dir=args.task_dir, overrides=overrides, seeds=seeds)
    prepare_runtime()
    import_paddle()
    from palm.tune.results import table, write_results  # noqa: PLC0415 (Paddle has to be set up first)
    from palm.tune.study import Study  # noqa: PLC0415

    plan.folder.mkdir(parents=True, exist_ok=True)
    with exclusive_run_lock(plan.folder):
        study = Study(plan, resume=args.resume, prune=not args.no_prune, keep_models=args.keep_models)
        try:
            study.run(trials, _say)
        finally:
            records, best = study.records(), study.best
            written = write_results(plan, records, best)
            _say("\n" + aligned(table(plan, records, _SHOWN)).rstrip("\n"))
            if len(records) > _SHOWN:
                _say(f"… and {counted(len(records) - _SHOWN, 'trial')} more in {written[0].as_posix()}")
            if len(records) < trials:
                _say(f"{len(records)} of {trials} trials have ended. The same command with --resume continues.")
    if best is None:
        reason = records[-1].result.reason or "every trial was pruned"
        raise ConfigError(Problem("palm tune", f"no trial was complete. Found in the last one: {reason}"))
    _say(f"Best: trial {best.number}. `palm train {written[-1].as_posix()}` trains it again.")
    return 0


def _count(flag: str, word: str) -> int:
    if not word.isascii() or not word.isdigit() or int(word) < 1:
        raise ConfigError(Problem(flag, f"it must be 1 or more. Found `{word}`."))
    return int(word)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
