"""`palm download`: list pre-trained models and data sets, and download them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from palm.downloader.catalogue import MODELS, PretrainedModel, find_model
from palm.downloader.datasets import datasets, find_dataset
from palm.downloader.hub import hub_id
from palm.downloader.pretrain import DATA_FOLDER, Fetched, fetch_dataset, fetch_model
from palm.errors import DownloadError

EPILOG = """example:
  palm download                                   list the models
  palm download minilm-l6-en                      into pretrain/minilm-l6-en
  palm download -d bert-en-uncased-large --to ../pretrain
  palm download google-bert/bert-base-chinese     from the Hugging Face hub (HF_TOKEN, HF_ENDPOINT)
  palm download --data atis                       a public data set, into datasets/atis
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "download",
        help="list and download pre-trained models and data sets",
        description="List the pre-trained models (or data sets), or download some. Undamaged ones are not downloaded "
        "again.",
        epilog=EPILOG,
    )
    parser.add_argument("name", nargs="*", help="models to download, or all (default: list them)")
    parser.add_argument(
        "-d", "--download", action="append", default=[], metavar="NAME", help="the same, as in PaddlePALM's manual"
    )
    parser.add_argument("-l", "--list", action="store_true", help="list the models")
    parser.add_argument("--data", action="store_true", help="data sets instead of models")
    parser.add_argument("--to", type=Path, help="target folder (default: pretrain; datasets for data sets)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    names = [*args.name, *args.download]
    if args.list or not names:
        sys.stdout.write(_listing_of_data() if args.data else _listing())
        return 0
    known = [dataset.name for dataset in datasets()] if args.data else [model.name for model in MODELS]
    names = known if "all" in names else list(dict.fromkeys(names))
    for name in names:  # finds a misspelt last name before an hour of downloading
        if args.data:
            find_dataset(name)
        elif hub_id(name) is None:
            find_model(name)
    if args.data:
        return _download_each(names, args.to or Path(DATA_FOLDER), fetch_dataset)
    return _download_each(names, args.to or Path("pretrain"), fetch_model)


def _download_each(names: list[str], to: Path, fetch: Callable[[str, Path], Fetched]) -> int:
    failures = []
    for name in names:
        try:
            fetched = fetch(name, to)
        except DownloadError as error:
            failures.append(str(error))
            continue
        state = "downloaded" if fetched.fresh else "already here, undamaged"
        sys.stdout.write(f"{name}: {state}: {fetched.folder.as_posix()}\n")
        sys.stdout.flush()
    if failures:
        raise DownloadError("\n".join(failures))
    return 0


def _listing() -> str:
    lines = ["Pre-trained models (weights in float32, licence, source):"]
    lines += [_line(model) for model in MODELS]
    lines.append(
        "Download one with: palm download NAME [--to pretrain]; a model of the Hugging Face hub as OWNER/MODEL."
    )
    return "\n".join(lines) + "\n"


def _listing_of_data() -> str:
    lines = ["Data sets (size, licence as far as stated, source, content):"]
    for found in datasets():
        size = f"{found.megabytes:.1f} MB"
        lines.append(f"  {found.name:<12} {size:>8}  {found.licence}  {found.where}  ({found.content})")
    lines.append("Download one with: palm download --data NAME [--to datasets]")
    return "\n".join(lines) + "\n"


def _line(model: PretrainedModel) -> str:
    also = [f"also called {alias}" for alias in model.aliases] + ([model.remark] if model.remark else [])
    remark = f"  ({'; '.join(also)})" if also else ""
    return f"  {model.name:<41} {model.megabytes:>5} MB  {model.licence}  {model.sources[0].where}{remark}"
