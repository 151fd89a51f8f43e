"""`palm init`: write a small runnable project as a starting point."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from palm.cli.starter import starter_files
from palm.errors import ConfigError, Problem

EPILOG = """example:
  palm init my_project && cd my_project && palm train config.yaml --task_dir tasks
  palm init wode_xiangmu --for_cn
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "init",
        help="write a small runnable project",
        description="Write a configuration, two tasks, tiny data and a README into a new folder.",
        epilog=EPILOG,
    )
    parser.add_argument("folder", type=Path, help="folder to write; must not exist, or be empty")
    parser.add_argument("--for_cn", action="store_true", help="a Chinese project")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    write_project(args.folder, for_cn=args.for_cn)
    sys.stdout.write(
        f"Wrote {args.folder}. Next:\n"
        f"  cd {shlex.quote(str(args.folder))}\n"
        "  palm check config.yaml --task_dir tasks\n"
        "  palm train config.yaml --task_dir tasks\n"
    )
    return 0


def write_project(folder: Path, *, for_cn: bool) -> None:
    """Write the project into `folder`.

    Raises:
        ConfigError: The folder is not empty, or cannot be written.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            rule = "a new project needs an empty folder."
            raise ConfigError(Problem(str(folder), f"{rule} Found a folder with files. Name another one."))
        for name, text in starter_files(for_cn=for_cn).items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        rule = "a new project is written into a folder."
        raise ConfigError(Problem(str(folder), f"{rule} {error.strerror or error}. Name another one.")) from error
