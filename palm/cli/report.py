"""`palm report`: one or several runs as a page."""

import argparse
import os
import sys
import webbrowser
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from palm import __version__
from palm.analysis import MOST_ROWS
from palm.cli.report_predictions import analyse_runs
from palm.errors import ConfigError, Problem, counted
from palm.locale.current import LANGUAGES, in_language, translated, translated_word
from palm.storage.atomic_directory import os_errors_as

EPILOG = """example:
  palm report output_model                              the run as output_model/report.html
  palm report output_model other_run                    both runs side by side, as report.html in this folder
  palm report output_model --output page.html --open
"""
FILE = "report.html"
_MEGABYTE = 1e6


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "report",
        help="show a run as a page, or compare several",
        description="Write one HTML file about a run: curves, results, mix, predictions on dev rows, data, "
        "configuration, events. Several runs are shown side by side. Of a search by palm tune it shows the trials and "
        "the best run. It needs no network, and works for runs that train or have died.",
        epilog=EPILOG,
    )
    parser.add_argument("run", nargs="+", metavar="RUN", help="save_path of a run, or of a search by palm tune")
    parser.add_argument("--output", metavar="FILE", help=f"the page (default: RUN/{FILE}, of several runs {FILE})")
    parser.add_argument(
        "--no-predict", action="store_true", help="do not predict dev rows; analyses of earlier reports are shown"
    )
    parser.add_argument(
        "--rows",
        type=_row_count,
        default=MOST_ROWS,
        help=f"dev rows of a task to predict, at most (default: {MOST_ROWS})",
    )
    parser.add_argument(
        "--lang", choices=LANGUAGES, help="language of the page (default: that of PALM_LANG or the locale)"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    parser.set_defaults(func=run)


def _row_count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"a number of rows is expected, at least 1, found `{text}`; see --no-predict")
    return int(text)


def run(args: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Run the command."""
    del overrides
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # as in palm check
    from palm.analysis.packages import check_page_packages  # noqa: PLC0415 (not needed for --help)

    check_page_packages()
    from palm.report.page import all_sections, render_page  # noqa: PLC0415 (its packages are an extra)
    from palm.report.run_folder import find_runs, metrics_size, read_runs  # noqa: PLC0415 (as above)
    from palm.report.search_sections import read_searches  # noqa: PLC0415 (as above)

    paths = [Path(name).expanduser() for name in args.run]
    output = output_file(args.output, paths)
    if not args.no_predict:
        analyse_runs([folder for path in paths for folder in find_runs(path)], args.rows)
    with _bar(metrics_size(paths)) as bar:
        runs = read_runs(paths, bar.update)
    searches = read_searches(paths)
    made = f"Made by palm report, PALM {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    with in_language(args.lang):
        page = render_page(runs, list(all_sections(runs, searches)), made=translated(made), searches=searches)
    with os_errors_as(output, "--output"):
        output.write_text(page, encoding="utf-8")
    for each in runs:
        for note in each.notes:
            sys.stderr.write(f"{each.name}: {note}\n")
    size = len(page.encode("utf-8")) / _MEGABYTE
    trials = sum(len(search.results.trials) for search in searches)
    shown = ", ".join([*([counted(trials, "trial")] if searches else []), counted(len(runs), "run")])
    sys.stdout.write(f"{shown}: {output.as_posix()} ({size:.1f} MB)\n")
    if args.open and not webbrowser.open(output.resolve().as_uri()):
        sys.stderr.write("No browser was found to open it in.\n")
    return 0


def _bar(size: int) -> "tqdm[NoReturn]":
    """A bar over the bytes of the metrics; on a terminal alone."""
    return tqdm(
        total=size,
        desc=translated_word("reading"),
        unit="B",
        unit_scale=True,
        leave=False,
        disable=not sys.stderr.isatty(),
    )


def output_file(named: str | None, runs: Sequence[Path]) -> Path:
    """Where the page goes.

    Raises:
        ConfigError: It is a folder.
    """
    output = Path(named).expanduser() if named else runs[0] / FILE if len(runs) == 1 else Path(FILE)
    if output.is_dir():
        rule = "the page is one file. Found a folder"
        raise ConfigError(Problem("--output", f"{rule}: {output}. Name a file in it, such as {output / FILE}."))
    return output
