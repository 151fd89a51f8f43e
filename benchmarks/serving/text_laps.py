"""Laps over the texts of a table, for PALM's workers and the peers'; standard library only, as both import it."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.speed.worker import Pace

Predict = Callable[[list[str]], object]


def texts_of(file: Path) -> list[str]:
    """The column `text_a`; the words of a tagged row are joined by blanks."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["text_a"].replace("\x02", " ").strip() for row in rows]


def run_laps(build: Callable[[dict[str, Any]], Predict]) -> None:
    """Predict all texts again and again while the parent asks for it.

    Args:
        build: From the worker's settings to what predicts texts; called once.
    """
    pace = Pace.of_process()
    predict = build(pace.settings)
    texts = texts_of(Path(pace.settings["file"]))
    predict(texts[:8])
    pace.ready()
    while True:
        predict(texts)
        pace.lap(len(texts))
