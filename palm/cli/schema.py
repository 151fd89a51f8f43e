"""`palm schema`: print a JSON schema of configuration files for editors, or a table of all keys."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from palm.locale.current import translated
from palm.locale.streams import data_stream

EPILOG = """example:
  palm schema -o palm.schema.json
  then start the global file with   # yaml-language-server: $schema=palm.schema.json
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "schema",
        help="print a JSON schema of the configuration",
        description="Print a JSON schema (draft 2020-12) of the global file, for completion and checks in editors.",
        epilog=EPILOG,
    )
    parser.add_argument("-o", "--output", help="write to this file instead of the terminal")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--task", action="store_true", help="the schema of task files instead")
    kind.add_argument("--markdown", action="store_true", help="a table of all keys instead")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    from palm.config.describe import global_json_schema, keys_as_markdown, task_json_schema  # noqa: PLC0415 (the components are not needed for --help)

    schema = task_json_schema() if args.task else global_json_schema()
    shown = json.dumps(_in_language(schema), indent=2, ensure_ascii=False) + "\n"
    text = translated(keys_as_markdown()) if args.markdown else shown
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")
    else:
        data_stream(sys.stdout).write(text)
    return 0


def _in_language(schema: Any) -> Any:  # noqa: ANN401 (any part of a JSON schema)
    """The schema with the descriptions that editors show in the language of the user."""
    if isinstance(schema, dict):
        return {
            name: translated(part) if name in ("title", "description") and isinstance(part, str) else _in_language(part)
            for name, part in schema.items()
        }
    return [_in_language(part) for part in schema] if isinstance(schema, list) else schema
