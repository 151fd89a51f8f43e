"""`palm` with the words of a command line, in this process.

A process of its own spends two seconds on imports alone. Tests of streams, signals, environment variables and exits
start one; those of what a command says and writes call `palm_here`.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from palm.cli.main import main


def palm_here(
    *words: object, cwd: Path | None = None, given: bytes = b"", environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command; an error that is none of PALM's is raised.

    Args:
        words: What follows `palm`.
        cwd: The current directory meanwhile.
        given: The bytes of stdin.
        environment: Variables for what PALM reads when it needs it, and not when it is imported.
    """
    command = [str(word) for word in words]
    out, err = _written(), _written()
    surroundings = (_in_folder(cwd), patch.dict(os.environ, environment or {}))
    streams = (patch.object(sys, "stdin", _stream(given)), redirect_stdout(out), redirect_stderr(err))
    with ExitStack() as stack:
        for each in (*surroundings, *streams):
            stack.enter_context(each)
        code = _code_of(command)
    said, complaints = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(command, code, said, complaints)


def _code_of(command: list[str]) -> int:
    try:
        return main(command)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)


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
