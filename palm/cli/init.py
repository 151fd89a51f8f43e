"""`palm init`: write a small runnable project as a starting point."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from palm.cli.data_files import inspect, with_tokenizer
from palm.cli.init_data import ENCODER, as_tasks, configuration, tokenizer_on_disk
from palm.cli.starter import starter_files
from palm.errors import ConfigError, Problem, counted
from palm.locale.current import translated_word

EPILOG = """example:
  palm init my_project && cd my_project && palm train config.yaml --task_dir tasks
  palm init wode_xiangmu --for_cn
  palm init my_project --data reviews.csv --data ner.conll     x.train.csv, x.dev.csv and x.test.csv are one task
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
    parser.add_argument("--for_cn", action="store_true", help="a Chinese project, with comments in Chinese")
    parser.add_argument(
        "--data",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="write a configuration for this file instead of a toy project (may be repeated)",
    )
    parser.add_argument(
        "--encoder", metavar="ENCODER", help="with --data: a folder, an id on a hub or a name, as the key `encoder`"
    )
    parser.add_argument("--lang", choices=("en", "zh"), help="language of the comments")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    if args.data:
        return _from_data(args)
    if args.encoder or args.lang:
        raise ConfigError(Problem("palm init", "--encoder and --lang go with --data. Found none. Add it."))
    write_project(args.folder, for_cn=args.for_cn)
    sys.stdout.write(
        f"Wrote {args.folder}. {translated_word('Next:')}\n"
        f"  cd {shlex.quote(str(args.folder))}\n"
        "  palm check config.yaml --task_dir tasks\n"
        "  palm train config.yaml --task_dir tasks\n"
    )
    return 0


def _from_data(args: argparse.Namespace) -> int:
    """Write a configuration for data files."""
    files = [inspect(file) for file in args.data]
    for_cn = args.for_cn or all(each.is_chinese for each in files)
    chinese = (args.lang or ("zh" if args.for_cn else "en")) == "zh"
    encoder = args.encoder or ENCODER[for_cn]
    tokenizer = tokenizer_on_disk(encoder, args.folder, for_cn=for_cn)
    tasks = as_tasks(files if tokenizer is None else [with_tokenizer(each, tokenizer) for each in files])
    _make_empty(args.folder)
    text = configuration(tasks, args.folder, for_cn=for_cn, chinese=chinese, encoder=encoder)
    file = args.folder / "config.yaml"
    file.write_text(text, encoding="utf-8", newline="\n")
    for task in tasks:
        guess = task.train.guess
        sys.stdout.write(
            f"{task.name}: {task.train.file}: {counted(task.train.rows, 'row')}, {guess.why[0]} → {guess.paradigm}\n"
        )
    if tokenizer is None:
        sys.stdout.write(f"Lengths are estimated by words: the tokenizer of {encoder} is not on this machine yet.\n")
    sys.stdout.write(
        f"Wrote {file}. Check the guesses in it. {translated_word('Next:')}\n  palm train {shlex.quote(str(file))}\n"
    )
    return 0


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            rule = "a new project needs an empty folder."
            raise ConfigError(Problem(str(folder), f"{rule} Found a folder with files. Name another one."))
    except OSError as error:
        rule = "a new project is written into a folder."
        raise ConfigError(Problem(str(folder), f"{rule} {error.strerror or error}. Name another one.")) from error


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
