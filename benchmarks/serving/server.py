"""`palm serve` in a process of its own, and its load generator in another one."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.speed.lineup import shell_without_tuning
from benchmarks.speed.side_by_side import ROOT

Summary = dict[str, Any]


@dataclass
class Server:
    """A server that answers.

    Attributes:
        process: Its process.
        port: Its port.
        log: Its messages so far.
    """

    process: "subprocess.Popen[str]"
    port: int
    log: list[str] = field(default_factory=list)

    @property
    def resident_bytes(self) -> int:
        """Its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) * 1024

    def reload(self) -> None:
        """Have it load its model again."""
        self.process.send_signal(signal.SIGHUP)

    def numbers(self) -> Mapping[str, float]:
        """Its own numbers, by name and labels."""
        text = fetch(self.port, "/metrics")
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}


def fetch(port: int, path: str) -> str:
    """The body of a GET."""
    return _exchange(port, f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())


def post(port: int, path: str, content: object) -> str:
    """The body of the answer to a POST of JSON."""
    body = json.dumps(content).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n"
    return _exchange(port, f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


def _exchange(port: int, request: bytes) -> str:
    """The body of the answer to a request that closes its connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts).partition(b"\r\n\r\n")[2].decode()


@contextmanager
def serving(run: Path, *options: str) -> Iterator[Server]:
    """A server of a run at a free port; it is stopped at the end.

    Raises:
        SystemExit: It does not start.
    """
    words = [sys.executable, "-m", "palm", "serve", str(run), "--port", "0", *options]
    environment = {**shell_without_tuning(), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    server = Server(process, 0)
    reader = threading.Thread(target=_collect, args=(process, server.log), daemon=True)
    reader.start()
    line = process.stdout.readline() if process.stdout else ""
    if "http://" not in line:
        process.wait(30)
        reader.join(5)
        raise SystemExit(f"palm serve: {''.join(server.log)}")
    server.port = int(line.rsplit(":", 1)[1])
    try:
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


@contextmanager
def under_load(server: Server, clients: int, seconds: float, bodies: Path) -> Iterator[list[Summary]]:
    """The load generator while the block runs; what it found is in the list afterwards."""
    words = [sys.executable, "-m", "benchmarks.serving.load", str(server.port), str(clients), str(seconds), str(bodies)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ))
    found: list[Summary] = []
    yield found
    text, _ = process.communicate(timeout=seconds + 120)
    found.append(json.loads(text))


def measure(server: Server, clients: int, seconds: float, bodies: Path) -> Summary:
    """What the load generator found."""
    with under_load(server, clients, seconds, bodies) as found:
        pass
    return found[0]


def write_bodies(texts: Sequence[str], tasks: Sequence[str], file: Path) -> Path:
    """A file with a request's body per line, one text each."""
    bodies = (json.dumps({"inputs": [text], "tasks": list(tasks)}, ensure_ascii=False) for text in texts)
    file.write_text("\n".join(bodies) + "\n", encoding="utf-8")
    return file


def _collect(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    if process.stderr is not None:
        lines.extend(iter(process.stderr.readline, ""))
