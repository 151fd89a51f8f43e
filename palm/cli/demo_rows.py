"""The rows that `palm demo` predicts: the first five of each test file, which were fixed before the demo was tuned."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

ROWS_FILE = "shown_rows.json"
_WIDTH = 78


@dataclass(frozen=True)
class DemoRow:
    """One row.

    Attributes:
        task: Its task.
        row: What the task predicts from.
        shown: What is shown of it.
        gold: What is right, as it is shown.
        field: The field of a prediction that is compared with it.
        told: What was predicted, as it is shown.
    """

    task: str
    row: str | dict[str, str]
    shown: str
    gold: str
    field: str
    told: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the prediction is the gold label, all gold slots, or the gold answer."""
        return self.told == self.gold

    def predicted(self, prediction: Mapping[str, Any]) -> "DemoRow":
        """This row with a prediction: a text, or spans, each of which has a type and a text."""
        found = prediction[self.field]
        spans = found if isinstance(found, list) else []
        told = ", ".join(f"{span['type']} = {span['text']}" for span in spans) if spans else str(found or "")
        return replace(self, told=told)


def demo_rows(data: Path) -> dict[str, list[DemoRow]]:
    """The rows of each task."""
    rows = [DemoRow(**row) for row in json.loads((data / ROWS_FILE).read_text(encoding="utf-8"))]
    return {task: list(group) for task, group in groupby(rows, lambda row: row.task)}


def table(rows: Sequence[DemoRow], width: int = _WIDTH) -> list[str]:
    """Lines that show rows by task: ✓ or ✗, the text, the prediction, and the right answer where it is another one."""
    lines: list[str] = []
    for task, group in groupby(rows, lambda row: row.task):
        lines += [*([""] if lines else []), task]
        for row in group:
            lines += [f"  {'✓' if row.is_right else '✗'} {_cut(row.shown, width - 4)}", f"      → {row.told or '–'}"]
            lines += [] if row.is_right else [f"        expected: {row.gold or '–'}"]
    return lines


def _cut(text: str, width: int) -> str:
    """`text` in at most `width` columns of a terminal, where a Chinese character takes two."""
    columns = 0
    for place, letter in enumerate(text):
        columns += 2 if ord(letter) > 0x2E80 else 1
        if columns > width - 1 and place < len(text) - 1:
            return f"{text[:place]}…"
    return text
