"""`palm serve` in a process of its own, and clients that speak HTTP over plain sockets."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

START_SECONDS, STOP_SECONDS = 90, 60


def need_the_extra() -> None:
    """Skip a module of tests where the extra `serve` is not installed."""
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(package, reason='needs the extra serve: pip install "paddle-palm[serve]"')


@dataclass
class Running:
    """A server that answers.

    Attributes:
        process: Its process.
        port: Its port.
        log: The lines of its stderr so far.
    """

    process: "subprocess.Popen[str]"
    port: int
    log: list[str] = field(default_factory=list)

    def ask(
        self,
        path: str,
        body: object = None,
        *,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (or text) and headers of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        own = {"content-type": "application/json"} if data is not None else {}
        connection.request(method or ("GET" if data is None else "POST"), path, data, {**own, **(headers or {})})
        response = connection.getresponse()
        text = response.read().decode()
        found = {name.lower(): value for name, value in response.getheaders()}
        connection.close()
        is_json = found.get("content-type", "").startswith("application/json")
        return response.status, json.loads(text) if is_json else text, found

    def send(self, data: bytes, *, timeout: float = 30) -> bytes:
        """What the server answers to these bytes until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            return read_all(connection)

    def wait_for_log(self, text: str, seconds: float = 30) -> None:
        """Wait until a line of stderr holds `text`."""
        done = threading.Event()
        for _ in range(int(seconds / 0.05)):
            if any(text in line for line in list(self.log)):
                return
            done.wait(0.05)
        raise AssertionError(f"no line with {text!r} in:\n{''.join(self.log)}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@contextmanager
def serving(
    model: Path,
    *options: str,
    environment: dict[str, str] | None = None,
    when_started: Callable[[int], None] | None = None,
) -> Iterator[Running]:
    """A server of `model` at a free port; it is killed at the end if it still runs.

    `when_started` is called with the number of its process, before it listens.
    """
    words = [sys.executable, "-m", "palm", "serve", str(model), "--port", "0", *options]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **(environment or {})}
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings, encoding="utf-8"
    )
    running = Running(process, 0)
    reader = threading.Thread(target=_collect, args=(process, running.log), daemon=True)
    reader.start()
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        if when_started is not None:
            when_started(process.pid)
        assert process.stdout is not None
        line = process.stdout.readline()
        timer.cancel()
        if "http://" not in line:
            process.wait(10)
            reader.join(5)
            raise AssertionError(f"it did not start: {line!r}\n{''.join(running.log)}")
        running.port = int(line.rsplit(":", 1)[1])
        yield running
    finally:
        timer.cancel()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def refused(model: Path, *options: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and stderr of a server that does not start."""
    words = [sys.executable, "-m", "palm", "serve", str(model), *options]
    surroundings = {**os.environ, **(environment or {})}
    done = subprocess.run(words, capture_output=True, text=True, env=surroundings, timeout=START_SECONDS, check=False)
    return done.returncode, done.stderr


def _collect(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)


@dataclass
class Load:
    """Clients that send one request after the other.

    Attributes:
        answers: Status and body of each answer.
        unanswered: Connections that ended in the middle of an answer, or before one to a request that was sent first
            on its connection.
        closed: Requests on a connection that the server had announced to close or closed unused, which are sent again.
    """

    answers: list[tuple[int, Any]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    closed: int = 0


def in_parallel(clients: int, work: Callable[[int], None]) -> list[threading.Thread]:
    """Start `work(number)` in a thread for each client."""
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    return threads


def send_until(port: int, bodies: Sequence[object], stop: threading.Event, load: Load, path: str = "/predict") -> None:
    """Send bodies over kept connections until `stop` is set or nothing listens any more."""
    number = 0
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except (ConnectionRefusedError, ConnectionResetError):
            return
        sent = 0
        while not stop.is_set() and _exchange(connection, bodies[number % len(bodies)], path, load, is_first=not sent):
            sent += 1
            number += 1
        connection.close()


def _exchange(connection: http.client.HTTPConnection, body: object, path: str, load: Load, *, is_first: bool) -> bool:
    """One request on an open connection; whether another one may follow."""
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
        if is_first:
            load.unanswered.append(f"{type(error).__name__}: {error}")
        load.closed += 1
        return False
    try:
        content = json.loads(response.read())
    except (http.client.IncompleteRead, ValueError, OSError) as error:
        load.unanswered.append(f"{type(error).__name__}: {error}")
        return False
    load.answers.append((response.status, content))
    return not response.will_close
