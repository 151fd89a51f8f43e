"""Measures the time of `palm train` to its first step, and clears caches of the previous start."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.side_by_side import ROOT
from benchmarks.speed.worker import peak_memory

_FIRST_STEP = "Global step: 1."


@dataclass(frozen=True)
class Start:
    """One start of `palm train`.

    Attributes:
        seconds: From the command to the log line of the first step.
        peak_bytes: Largest resident memory until then.
    """

    seconds: float
    peak_bytes: int


def start(words: Sequence[str], environment: Mapping[str, str], folder: Path = ROOT) -> Start:
    """Run `palm train` of the checkout in `folder` with `words` until its first step is logged.

    Raises:
        RuntimeError: It ended early; its output is above.
    """
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "palm", "train", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=dict(environment),
    ) as process:
        try:
            for line in process.stdout or ():
                if line.startswith(_FIRST_STEP):
                    return Start(time.perf_counter() - began, peak_memory(process.pid))
                sys.stderr.write(line)
        finally:
            process.kill()
    raise RuntimeError(f"palm train {' '.join(words)}: ended before its first step.")


def forget_files(folders: Iterable[Path]) -> None:
    """Drop the files of `folders` from the page cache, unless a process has them mapped."""
    os.sync()
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file():
                with file.open("rb") as opened:
                    os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
