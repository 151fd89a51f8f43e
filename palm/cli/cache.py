"""`palm cache`: show where tokenised data sets are cached and how much space they take, or empty the cache."""

import argparse
import sys
from typing import Any

from palm.data.cache import (
    DATASETS_FOLDER,
    LIMIT_VARIABLE,
    PLACE_VARIABLE,
    cache_folder,
    cache_limit,
    clear,
    entries,
    readable_size,
)
from palm.storage.atomic_directory import os_errors_as

EPILOG = f"""example:
  palm cache                              location, size and limit
  palm cache --clear                      remove everything in it; data sets are tokenised again when needed
  {LIMIT_VARIABLE}=20G palm train config.yaml    keep up to 20 GB (0 disables the cache)
  {PLACE_VARIABLE}=/data/palm palm train config.yaml
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "cache",
        help="show or empty the cache of tokenised data",
        description="Show where tokenised data sets are cached and how much space they take. The least recently used "
        "ones are removed first.",
        epilog=EPILOG,
    )
    parser.add_argument("--clear", action="store_true", help="remove every cached data set")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command.

    Raises:
        ConfigError: The size limit in the environment is not a size.
        CheckpointError: The cache cannot be emptied.

    """
    del overrides  # the command reads no configuration
    home = cache_folder() / DATASETS_FOLDER
    kept = entries(home)
    if args.clear:
        with os_errors_as(home, PLACE_VARIABLE):
            freed = clear(home)
        sys.stdout.write(f"{home}: removed {_counted(len(kept))}, {readable_size(freed)}.\n")
        return 0
    size, limit = readable_size(sum(entry.size for entry in kept)), readable_size(cache_limit())
    sys.stdout.write(f"{home}: {_counted(len(kept))}, {size} of at most {limit}.\n")
    return 0


def _counted(number: int) -> str:
    return f"{number} tokenised data set{'' if number == 1 else 's'}"
