"""`palm download`: list pre-trained models, and bring them here."""

import argparse
import sys
from pathlib import Path
from typing import Any

from palm.downloader.catalogue import MODELS, PretrainedModel, find_model
from palm.downloader.pretrain import fetch_model
from palm.errors import DownloadError

EPILOG = """example:
  palm download                                   list the models
  palm download minilm-l6-en                      into pretrain/minilm-l6-en
  palm download -d bert-en-uncased-large --to ../pretrain
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "download",
        help="list and download pre-trained models",
        description="List the pre-trained models, or download some. Unharmed ones are not downloaded again.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", help="models to download, or all (default: list them)")
    parser.add_argument(
        "-d", "--download", action="append", default=[], metavar="NAME", help="the same, as the manual writes it"
    )
    parser.add_argument("-l", "--list", action="store_true", help="list the models")
    parser.add_argument("--to", type=Path, default=Path("pretrain"), help="folder to place them in (default: pretrain)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Carry the command out."""
    del overrides  # the command reads no configuration
    names = [*args.name, *args.download]
    if args.list or not names:
        sys.stdout.write(_listing())
        return 0
    if "all" in names:
        names = [model.name for model in MODELS]
    for name in names:  # a misspelt last name is found before an hour of downloading
        find_model(name)
    return _download_each(list(dict.fromkeys(names)), args.to)


def _download_each(names: list[str], to: Path) -> int:
    failures = []
    for name in names:
        try:
            fetched = fetch_model(name, to)
        except DownloadError as error:
            failures.append(str(error))
            continue
        state = "downloaded" if fetched.fresh else "is here already, unharmed"
        sys.stdout.write(f"{name}: {state}: {fetched.folder.as_posix()}\n")
        sys.stdout.flush()
    if failures:
        raise DownloadError("\n".join(failures))
    return 0


def _listing() -> str:
    lines = ["Pre-trained models (weights in float32, licence, where from):"]
    lines += [_line(model) for model in MODELS]
    lines.append("Download one with: palm download NAME [--to pretrain]")
    return "\n".join(lines) + "\n"


def _line(model: PretrainedModel) -> str:
    also = [f"also called {alias}" for alias in model.aliases] + ([model.remark] if model.remark else [])
    remark = f"  ({'; '.join(also)})" if also else ""
    return f"  {model.name:<41} {model.megabytes:>5} MB  {model.licence}  {model.sources[0].where}{remark}"
