"""Finds the folders of runs below a folder."""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palm.distributed.launch import RANKS_FOLDER
from palm.storage.layout import (
    BEST_INFERENCE_FOLDER,
    CHECKPOINT_FOLDER,
    EARLIER_FOLDER,
    ENCODER_FOLDER,
    INFERENCE_FOLDER,
    LOG_FILE,
    METRICS_FILE,
    PREDICT_FOLDER,
)

DEEPEST = 8
MOST_FOLDERS = 20_000
MOST_RUNS = 500

_INSIDE_RUNS = {
    RANKS_FOLDER, BEST_INFERENCE_FOLDER, CHECKPOINT_FOLDER, EARLIER_FOLDER, ENCODER_FOLDER, INFERENCE_FOLDER,
    PREDICT_FOLDER,
}  # fmt: skip
_NO_RUNS = {"__pycache__", "node_modules"}


@dataclass(frozen=True)
class Found:
    """What is below a folder.

    Attributes:
        folders: The folders of runs, by path.
        notes: What was not searched, a sentence each.
    """

    folders: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def find_run_folders(root: Path) -> Found:
    """The folders of runs below `root`, itself included: those with metrics, or with a run's log.

    Links are not followed, nor hidden folders; what a run keeps in its folder is no run of its own.
    """
    runs: list[Path] = []
    waiting, seen, notes = deque([(root, 0)]), 0, set[str]()
    while waiting and seen < MOST_FOLDERS and len(runs) < MOST_RUNS:
        folder, depth = waiting.popleft()
        seen += 1
        is_run, below = _looked_at(folder)
        if is_run:
            runs.append(folder)
        if depth < DEEPEST:
            waiting.extend((each, depth + 1) for each in below)
        elif below:
            notes.add(f"Folders more than {DEEPEST} levels below are not searched.")
    if waiting:
        notes.add(f"Stopped at {len(runs):,} runs in {seen:,} folders: name a folder further down to see others.")
    return Found(tuple(sorted(runs)), tuple(sorted(notes)))


def _looked_at(folder: Path) -> tuple[bool, list[Path]]:
    """Whether a folder is that of a run, and the folders in it that may hold runs."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:  # removed meanwhile, or another user's
        return False, []
    is_run = any(not is_folder and name in (METRICS_FILE, LOG_FILE) for name, is_folder in found)
    return is_run, list(_below(folder, found, is_run=is_run))


def _below(folder: Path, found: list[tuple[str, bool]], *, is_run: bool) -> Iterator[Path]:
    for name, is_folder in sorted(found):
        if is_folder and not name.startswith(".") and name not in _NO_RUNS and not (is_run and name in _INSIDE_RUNS):
            yield folder / name
