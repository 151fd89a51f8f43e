"""A treebank as both programs read it, and the scores of the CoNLL 2018 shared task."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PARTS = ("train", "dev", "test")
COLUMNS = {"lemmas": 2, "upos": 3, "feats": 5, "trees": 6}
METRICS = {"lemmas": ("Lemmas",), "upos": ("UPOS",), "feats": ("UFeats",), "trees": ("UAS", "LAS")}
"""What the official script calls the scores of each task."""


@dataclass(frozen=True)
class Treebank:
    """Files of CoNLL-U with one line per word.

    Attributes:
        name: Its name in the table, such as `en_partut`.
        files: The file of each part.
        tasks: The columns that it has.
    """

    name: str
    files: dict[str, Path]
    tasks: tuple[str, ...]


def prepared(folder: Path, work: Path, limit: int | None = None) -> Treebank:
    """The treebank of `folder` without multiword ranges and empty nodes, which no tree contains.

    Args:
        folder: `*-train.conllu`, `*-dev.conllu` and `*-test.conllu`, one of each.
        work: Where the copies are written.
        limit: Sentences of each part, to try the command.
    """
    files, sources = {}, {part: _only(folder, f"*-{part}.conllu") for part in PARTS}
    for part, source in sources.items():
        sentences = list(_sentences(source))[:limit]
        files[part] = work / f"{part}.conllu"
        files[part].write_text("".join("\n".join(lines) + "\n\n" for lines in sentences), encoding="utf-8")
    name = sources["train"].name.removesuffix("-train.conllu").removesuffix("-ud")
    return Treebank(name, files, tuple(_annotated_columns(files["train"])))


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(
            f"{folder}: one file {pattern} is expected, found {len(found)}. Name a folder with a treebank."
        )
    return found[0]


def _sentences(file: Path) -> Iterator[list[str]]:
    """The lines of words, sentence by sentence."""
    lines: list[str] = []
    for line in [*file.read_text(encoding="utf-8").splitlines(), ""]:
        if line.strip():
            lines += [line] if line.partition("\t")[0].isdecimal() else []
        elif lines:
            yield lines
            lines = []


def _annotated_columns(file: Path) -> Iterator[str]:
    cells = [line.split("\t") for lines in _sentences(file) for line in lines]
    for task, column in COLUMNS.items():
        if any(row[column] != "_" for row in cells):
            yield task


def scores(script: Path, gold: Path, found: Path, tasks: tuple[str, ...]) -> dict[str, float]:
    """F1 in percent of the metrics of `tasks`, by conll18_ud_eval.py."""
    said = subprocess.run(
        [sys.executable, str(script), "--verbose", str(gold), str(found)], capture_output=True, text=True, check=False
    )
    if said.returncode:
        raise RuntimeError(f"{script.name} {found}: {said.stderr[-2000:]}")
    rows = [[cell.strip() for cell in line.split("|")] for line in said.stdout.splitlines() if "|" in line]
    table = {row[0]: row[3] for row in rows}
    return {metric: float(table[metric]) for task in tasks for metric in METRICS[task]}
