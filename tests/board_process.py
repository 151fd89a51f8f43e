"""`palm board` in a process of its own, and runs that are written while it looks."""

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class RunningBoard:
    """A board that answers.

    Attributes:
        process: Its process.
        port: Its port.
    """

    process: "subprocess.Popen[str]"
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        text = response.read().decode()
        connection.close()
        return response.status, text, found

    def events(self, query: str = "", **headers: str) -> "Iterator[tuple[str, dict, str]]":
        """Name, content and id of each event of a stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", f"/events?{query}", headers=headers)
        response = connection.getresponse()
        assert (response.status, response.getheader("content-type")) == (200, "text/event-stream; charset=utf-8")
        event: dict[str, str] = {}
        try:
            while line := response.readline().decode():
                key, _, value = line.rstrip("\n").partition(": ")
                event[key] = value
                if line == "\n" and "event" in event:
                    yield event["event"], json.loads(event["data"]), event["id"]
                event = event if line != "\n" else {}
        finally:
            connection.close()


@contextmanager
def running_board(root: Path, port: int = 0, options: Sequence[str] = ()) -> Iterator[RunningBoard]:
    """A board of the runs below a folder, which ends by Ctrl-C with exit code 0."""
    for package in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(package, reason='needs the extra serve: pip install "paddle-palm[serve]"')
    words = [sys.executable, "-m", "palm", "board", str(root), "--port", str(port), *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.search(r" at http://127\.0\.0\.1:(\d+)$", line.rstrip())
        assert found, line + process.stderr.read()
        yield RunningBoard(process, int(found[1]))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
        assert process.returncode == 0
        assert said == "", said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
