"""The rows that `palm demo` predicts: the first five of each test file, which were fixed before the demo was tuned."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from palm.data.spans import spans_of

ROWS_OF_TASK = 5
_WIDTH = 78
_Prediction = Mapping[str, Any]


@dataclass(frozen=True)
class DemoRow:
    """One row.

    Attributes:
        task: Its task.
        row: What the task predicts from.
        text: What is shown of it.
        gold: What is right, as it is shown.
        told: What was predicted, as it is shown.
    """

    task: str
    row: str | dict[str, str]
    text: str
    gold: str
    told: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the prediction is the gold label, all gold slots, or the gold answer."""
        return self.told == self.gold

    def predicted(self, prediction: _Prediction) -> "DemoRow":
        """This row with a prediction."""
        return replace(self, told=TASKS[self.task].shown(prediction))


@dataclass(frozen=True)
class DemoTask:
    """How rows of a task are read, and predictions are shown.

    Attributes:
        read: Yields the rows of a folder's test file.
        shown: A prediction as a text, equal to that of the gold label if it is right.
    """

    read: Callable[[Path], Iterator[DemoRow]]
    shown: Callable[[_Prediction], str]


def demo_rows(data: Path, task: str) -> list[DemoRow]:
    """The rows of a task."""
    return list(islice(TASKS[task].read(data), ROWS_OF_TASK))


def table(rows: Sequence[DemoRow], width: int = _WIDTH) -> list[str]:
    """Lines that show rows by task: ✓ or ✗, the text, the prediction, and the right answer where it is another one."""
    lines: list[str] = []
    for task, group in groupby(rows, lambda row: row.task):
        lines += [*([""] if lines else []), task]
        for row in group:
            lines += [f"  {'✓' if row.is_right else '✗'} {_cut(row.text, width - 4)}", f"      → {row.told or '–'}"]
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


def _intents(data: Path) -> Iterator[DemoRow]:
    for label, text in _table_rows(data / "intent" / "test.tsv"):
        yield DemoRow("intent", text, text, label)


def _slots(data: Path) -> Iterator[DemoRow]:
    for text, tags in _table_rows(data / "slots" / "test.tsv"):
        words = text.split()
        glue = " " if text.isascii() else ""
        yield DemoRow("slots", text, glue.join(words), _spans(words, tags.split()))


def _answers(data: Path) -> Iterator[DemoRow]:
    for article in json.loads((data / "mrc" / "test.json").read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                row = {"question": asked["question"], "context": paragraph["context"]}
                yield DemoRow("answer", row, f"{asked['question']} {paragraph['context']}", asked["answers"][0]["text"])


def _table_rows(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]


def _spans(words: Sequence[str], tags: Sequence[str]) -> str:
    glue = " " if "".join(words).isascii() else ""
    return ", ".join(f"{one.type} = {glue.join(words[one.start : one.end])}" for one in spans_of(tags))


TASKS = {
    "intent": DemoTask(_intents, lambda prediction: str(prediction["label"])),
    "slots": DemoTask(_slots, lambda prediction: _spans(prediction["words"], prediction["labels"])),
    "answer": DemoTask(_answers, lambda prediction: str(prediction["text"])),
}
