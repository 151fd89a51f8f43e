"""`palm completion`: print a script that completes commands, options and keys in a shell."""

import argparse
import sys
from typing import Any

from palm.errors import ConfigError, Problem

EPILOG = """example:
  palm completion bash > ~/.local/share/bash-completion/completions/palm
  palm completion zsh > ~/.zfunc/_palm           with fpath+=~/.zfunc before compinit in ~/.zshrc
  palm completion fish > ~/.config/fish/completions/palm.fish
"""

SHELLS = ("bash", "zsh", "fish")
_FILES = {"config", "file", "output", "model", "data", "folder", "encoder", "task_dir", "imports", "rows", "dev"}


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script for completion in bash, zsh or fish",
        description="Print a script that completes commands, their options, and keys of a configuration. Print it "
        "again after an update of PALM.",
        epilog=EPILOG,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command.

    Raises:
        ConfigError: The package `shtab` is not installed.
    """
    del overrides  # the command reads no configuration
    try:
        import shtab  # noqa: PLC0415 (for this command only)
    except ModuleNotFoundError as error:
        rule = "the script is written by the package shtab, which PALM asks for. Found none."
        raise ConfigError(Problem("palm completion", f"{rule} Run: pip install shtab")) from error
    sys.stdout.write(shtab.complete(complete_parser(shtab.FILE), args.shell) + "\n")
    return 0


def complete_parser(files: object) -> argparse.ArgumentParser:
    """The parser of `palm` with all commands, and the keys of a configuration as options of those that read one.

    Args:
        files: What shtab completes files with.
    """
    from palm.cli.main import COMMANDS, whole_parser  # noqa: PLC0415 (which imports this module by its name)
    from palm.config.components import all_schemas  # noqa: PLC0415 (reads the schemas of all components)

    parser, by_name = whole_parser()
    keys = sorted({key for _, schema in all_schemas() for key in schema.model_fields})
    for name, command in by_name.items():
        for action in command._actions:
            if action.dest in _FILES and action.choices is None:
                action.complete = files  # type: ignore[attr-defined]  # shtab reads it
        if COMMANDS[name].configured:
            group = command.add_argument_group("keys of the configuration")
            for key in keys:
                if f"--{key}" not in command._option_string_actions:
                    option = group.add_argument(f"--{key}")
                    if key.endswith(("_file", "_path", "_dir")):
                        option.complete = files  # type: ignore[attr-defined]
    return parser
