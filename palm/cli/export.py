"""`palm export`: write a trained model for other programs, in ONNX or in Paddle's static format."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from palm.errors import ConfigError, Problem

EPILOG = """example:
  palm export output_model --to onnx --output exported            all tasks of the run's model in one graph
  palm export output_model --to onnx --output exported --tasks intent,slots
  palm export output_model/intent --to paddle --output exported   one task, for paddle.inference
  palm export output_model --to onnx --output exported --precision int8 --max_drop 0.3
  palm export output_model --to onnx --output exported --precision int8 --dev intent=dev.tsv --dev slots=dev.conll
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "export",
        help="export a trained model to ONNX or to Paddle's static format",
        description="Write a folder for programs without PALM: the graph of encoder and heads, the tokenizer, labels "
        "and settings (docs/export.md). The graph is compared with PALM on real rows before the folder is there.",
        epilog=EPILOG,
    )
    parser.add_argument("model", metavar="MODEL", help="a run, a run's model, or a task of a run (RUN/task)")
    parser.add_argument("--to", choices=("onnx", "paddle"), required=True, help="format to write")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--tasks", help="tasks to export: intent,slots (default: all of the model)")
    parser.add_argument(
        "--precision", choices=("float32", "int8"), default="float32", help="int8: 8-bit integers, with --to onnx"
    )
    parser.add_argument(
        "--max_drop", type=float, default=0.3, help="points of a task's main metric that int8 may cost (default: 0.3)"
    )
    parser.add_argument(
        "--dev",
        action="append",
        default=[],
        metavar="FILE",
        help="rows with gold labels, by which int8 is measured: FILE, or task=FILE, may be repeated (default: the dev "
        "rows of the run)",
    )
    parser.add_argument(
        "--rows",
        action="append",
        default=[],
        metavar="FILE",
        help="rows by which the graph is compared with PALM: FILE, or task=FILE, may be repeated (default: the dev "
        "rows of the run, else rows made of the vocabulary)",
    )
    parser.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare the outputs with PALM's in float32 (default: yes)",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    # Late, so that `palm --help` is quick; Paddle itself is imported only where something is compared.
    from palm.cli.export_rows import rows_of  # noqa: PLC0415
    from palm.inference.export.export_model import ExportRequest, export_model  # noqa: PLC0415
    from palm.inference.exported import advice_for, model_folder  # noqa: PLC0415
    from palm.runtime.environment import prepare_runtime  # noqa: PLC0415
    from palm.runtime.paddle_import import import_paddle  # noqa: PLC0415

    if args.verify or args.to == "paddle" or args.precision == "int8":
        prepare_runtime()
        import_paddle()
    folder = model_folder(args.model)
    if folder is None:
        rule = "a trained model is expected: a run, a run's model, or a task of a run."
        raise ConfigError(Problem(args.model, f"{rule} {advice_for(Path(args.model))}"))
    if not args.max_drop >= 0:
        raise ConfigError(Problem("--max_drop", f"a number of points, at least 0, is expected. Found {args.max_drop}."))
    request = ExportRequest(
        folder, args.output, args.to, _names(args.tasks), args.precision, args.max_drop, compares=args.verify
    )
    exported = export_model(request, lambda tasks: rows_of(folder, tasks, args.dev, args.rows), _say)
    total = sum(exported.file_bytes.values()) / 1e6
    _say(f"{args.output.as_posix()}: {args.to}, {args.precision}, {', '.join(exported.tasks)}: {total:.1f} MB.")
    return 0


def _names(text: str | None) -> Sequence[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
