"""`palm` with the words of a command line, and scripts, in this process.

A process of its own spends two seconds on imports alone. Tests of streams, signals, environment variables and exits
start one; those of what a command says and writes call `palm_here` or `script_here`.
"""

import io
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from palm.cli.main import main

Done = subprocess.CompletedProcess[str]


def palm_here(
    *words: object, cwd: Path | None = None, given: bytes = b"", environment: Mapping[str, str] | None = None
) -> Done:
    """Run a command; an error that is none of PALM's is raised.

    Args:
        words: What follows `palm`.
        cwd: The current directory meanwhile.
        given: The bytes of stdin.
        environment: Variables for what PALM reads when it needs it, and not when it is imported.
    """
    command = [str(word) for word in words]
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment or {}))
        stack.enter_context(patch.object(sys, "stdin", _stream(given)))
        return _run(lambda: main(command), command, cwd)


def script_here(file: Path, *words: object, cwd: Path) -> Done:
    """Run a script as `python file words`; what it imports from the folder above its own is imported anew."""
    command = [str(file), *map(str, words)]
    known = set(sys.modules)
    with patch.object(sys, "argv", command), patch.object(sys, "path", [str(file.parent), *sys.path]):
        try:
            return _run(lambda: runpy.run_path(str(file), run_name="__main__"), command, cwd)
        finally:
            for name in set(sys.modules) - known:
                place = getattr(sys.modules[name], "__file__", None)
                if place is not None and Path(place).is_relative_to(file.parents[1]):
                    del sys.modules[name]


def _run(call: Callable[[], object], command: list[str], cwd: Path | None) -> Done:
    out, err = _written(), _written()
    with _in_folder(cwd), redirect_stdout(out), redirect_stderr(err):
        code = _code_of(call)
    said, complaints = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(command, code, said, complaints)


def _code_of(call: Callable[[], object]) -> int:
    try:
        code = call()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return code if isinstance(code, int) else 0


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
