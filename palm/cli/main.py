"""`palm`: dispatches to the command, separates its options from overrides, and turns errors into exit codes."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from palm import __version__
from palm.cli.command_parser import CommandParser
from palm.errors import PalmError
from palm.locale.current import language_problem
from palm.locale.streams import translated_streams
from palm.registry import did_you_mean
from palm.runtime.paddle_packages import missing_paddle
from palm.runtime.script import EXIT_ERROR

EPILOG = """example:
  palm init my_project && cd my_project && palm train config.yaml --task_dir tasks
  palm train --help
"""

_NO_MEMORY = (
    "There is not enough memory. Lower batch_size, max_tokens or max_seq_len, set recompute: true, or use a smaller "
    "encoder; check for a size that is too large by mistake."
)
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE, as the shell reports it


@dataclass(frozen=True)
class Command:
    """One command; its module is imported only when it is called.

    Attributes:
        summary: What it does, in a line.
        configured: Whether it reads a configuration and thus takes overrides, `--task_dir` and `--import`.

    """

    summary: str
    configured: bool = False


COMMANDS = {
    "demo": Command("train three tasks on data of PALM's own, and show predictions"),
    "train": Command("train all tasks of a configuration", configured=True),
    "pred": Command("predict with an inference model", configured=True),
    "eval": Command("evaluate exported tasks", configured=True),
    "calibrate": Command("make probabilities of a model as large as they are right"),
    "serve": Command("answer over HTTP with a model"),
    "board": Command("show runs live in a browser"),
    "compare": Command("train each task alone and all together, and report where sharing helps", configured=True),
    "report": Command("show a run as a page, or compare several"),
    "tune": Command("search keys for the best dev metric", configured=True),
    "augment": Command("write a file again with variants of its rows"),
    "pseudo-label": Command("predict rows without labels, and write the certain ones as training rows"),
    "check": Command("report every problem of a configuration", configured=True),
    "download": Command("list and download pre-trained models and data sets"),
    "export": Command("export a trained model to ONNX or to Paddle's static format"),
    "convert": Command("convert a model between Hugging Face, PALM and Paddle"),
    "merge": Command("merge models over one encoder into a single one"),
    "cache": Command("show or empty the cache of tokenised data"),
    "schema": Command("write the JSON schema of configurations, for editors"),
    "init": Command("write a small runnable project"),
    "completion": Command("print a script for completion in bash, zsh or fish"),
    "doctor": Command("report on this machine and installation"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments after `palm`; those of this process by default.

    Returns:
        The exit code: 0 success, 2 error (reported on stderr), 130 interrupted.

    """
    _replace_closed_streams()
    _show_warnings()
    with translated_streams():
        problem = language_problem()
        if problem is not None:
            sys.stderr.write(f"Warning: {problem}\n")
        return _run_reporting(argv)


def _run_reporting(argv: Sequence[str] | None) -> int:
    """Run the command line, and report what ends it."""
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except PalmError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except ModuleNotFoundError as error:
        said = missing_paddle(error)
        if said is None:
            raise
        sys.stderr.write(f"{said}\n")
        return EXIT_ERROR
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone; without this, Python reports the error again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except MemoryError:
        sys.stderr.write(f"{_NO_MEMORY}\n")
        return EXIT_ERROR
    except OSError as error:  # not handled closer to its cause, such as a full disk
        reason = error.strerror or str(error)
        sys.stderr.write(f"{error.filename or 'The system'}: {reason}. Check the path, its permissions and its disk.\n")
        return EXIT_ERROR
    return status


def _replace_closed_streams() -> None:
    """Replace stdout or stderr where the shell closed it, so that Python has None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (open until the process ends)


class _WarningsToStderr(logging.Handler):
    """Writes PALM's warnings to the current stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one warning."""
        sys.stderr.write(f"{record.levelname.capitalize()}: {record.getMessage()}\n")


def _show_warnings() -> None:
    log = logging.getLogger("palm")
    if not any(isinstance(handler, _WarningsToStderr) for handler in log.handlers):
        log.addHandler(_WarningsToStderr(logging.WARNING))


def _run(words: list[str]) -> int:
    name = words[0] if words and not words[0].startswith("-") else None
    if name is not None and name not in COMMANDS:
        hint = did_you_mean(name, list(COMMANDS))
        sys.stderr.write(f"palm: unknown command `{name}`.{hint} Commands: {', '.join(COMMANDS)}.\n")
        return EXIT_ERROR
    if set(words) == {"--version", "--json"}:
        return _print_versions()
    parser, chosen = build_parser(name)
    if not words:
        parser.print_help()
        return 0
    try:
        args, overrides = _parse(parser, chosen, words)
    except SystemExit as stop:  # argparse has printed the reason
        return stop.code if isinstance(stop.code, int) else EXIT_ERROR
    return int(args.func(args, overrides))


def _print_versions() -> int:
    import json  # noqa: PLC0415 (rarely needed)

    from palm.cli.version import versions  # noqa: PLC0415 (rarely needed)

    sys.stdout.write(f"{json.dumps(versions(), indent=2)}\n")
    return 0


def build_parser(name: str | None) -> tuple[CommandParser, CommandParser]:
    """The parser of `palm`, in which only the command `name` is complete, and the parser of that command."""
    parser = CommandParser(prog="palm", description="Multi-task learning for NLP from YAML.", epilog=EPILOG)
    parser.add_argument(
        "--version",
        action="version",
        version=f"palm {__version__}",
        help="show the version; with --json also those of Python, Paddle and the kernels",
    )
    commands = parser.add_subparsers(title="commands", metavar="command")
    for other, command in COMMANDS.items():
        if other == name:
            importlib.import_module(f"palm.cli.{other.replace('-', '_')}").add_parser(commands)
        else:
            commands.add_parser(other, help=command.summary)
    if name is None:
        return parser, parser
    chosen = commands.choices[name]
    if COMMANDS[name].configured:
        _add_configuration(chosen)
    return parser, chosen


def whole_parser() -> tuple[CommandParser, dict[str, CommandParser]]:
    """The parser of `palm` in which all commands are complete, and that of each command."""
    parser = CommandParser(prog="palm", description="Multi-task learning for NLP from YAML.", epilog=EPILOG)
    commands = parser.add_subparsers(title="commands", metavar="command")
    for name, command in COMMANDS.items():
        importlib.import_module(f"palm.cli.{name.replace('-', '_')}").add_parser(commands)
        if command.configured:
            _add_configuration(commands.choices[name])
    return parser, dict(commands.choices)


def _add_configuration(chosen: CommandParser) -> None:
    """The options of a command that reads a configuration."""
    chosen.add_argument(
        "--task_dir", default=".", help="folder of the task instances' YAML files (default: current directory)"
    )
    chosen.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="import your module or .py file first, for the components that it registers (may be repeated)",
    )


def _parse(parser: CommandParser, chosen: CommandParser, words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    words = chosen.with_declared_spelling(words)
    overrides: list[str] = []
    if words[0] in COMMANDS and COMMANDS[words[0]].configured:
        if not {"-h", "--help"} & set(words):
            _import_user_code(words)
        own, overrides = chosen.split_overrides(words[1:], _true_or_false)
        words = [words[0], *own]
    args, unknown = parser.parse_known_args(words)
    if unknown:
        chosen.refuse(unknown[0])
    return args, overrides


def _import_user_code(words: list[str]) -> None:
    """Import what `--import` names, before the known keys are computed."""
    early = CommandParser(prog=f"palm {words[0]}", add_help=False)
    early.add_argument("--import", dest="imports", action="append", default=[])
    names = early.parse_known_args(words)[0].imports
    if not names:
        return
    from palm.config.user_code import import_user_code  # noqa: PLC0415 (rarely needed)
    from palm.runtime.environment import prepare_runtime  # noqa: PLC0415

    prepare_runtime()  # the user's module may import Paddle
    for name in names:
        import_user_code(name)


def _true_or_false() -> Collection[str]:
    from palm.config.components import flag_keys  # noqa: PLC0415 (reads the schemas of all components)

    return flag_keys()
