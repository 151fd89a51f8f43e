"""`palm` with the words of a command line, in this process.

A process of its own spends two seconds on imports alone. Tests of streams, signals, environment variables and exits
start one; those of what a command says and writes call `palm_here`.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from palm.cli.main import main


def palm_here(*words: object, cwd: Path | None = None, given: bytes = b"") -> "subprocess.CompletedProcess[str]":
    """Run a command; an error that is none of PALM's is raised.

    Args:
        words: What follows `palm`.
        cwd: The current directory meanwhile.
        given: The bytes of stdin.
    """
    command = [str(word) for word in words]
    out, err = _written(), _written()
    with _in_folder(cwd), patch.object(sys, "stdin", _stream(given)), redirect_stdout(out), redirect_stderr(err):
        try:
            code: object = main(command)
        except SystemExit as stop:
            code = stop.code
    said, complaints = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(command, code if isinstance(code, int) else 0, said, complaints)


class _Text(io.TextIOWrapper):
    buffer: io.BytesIO


def _written() -> _Text:
    return _Text(io.BytesIO(), encoding="utf-8", write_through=True)


def _stream(content: bytes) -> _Text:
    return _Text(io.BytesIO(content), encoding="utf-8")


@contextmanager
def _in_folder(folder: Path | None) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder or before)
    try:
        yield
    finally:
        os.chdir(before)
