"""Clients that are slow, send too much, or no JSON, beside healthy ones; and thousands of requests at random."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.serving.server import Server, Summary, measure

_HEAD = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
MALFORMED = (b"{", b"[" * 5000, b'{"inputs": [NaN]}', b'{"inputs": ["\\ud800"]}', b"\xff\xfe", b'{"inputs": [null]}')
SLOW_CLIENTS = 100
_PAUSE = 0.1
_START_SECONDS = 8.0  # until schemathesis sends


@contextmanager
def hostile_clients(port: int) -> Iterator[None]:
    """Slow heads and bodies, bodies of 4 MB and malformed JSON, until the block ends."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(port, stop), daemon=True) for work in (_slow, _large, _malformed)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def _slow(port: int, stop: threading.Event) -> None:
    connections: list[socket.socket] = []
    while not stop.is_set():
        while len(connections) < SLOW_CLIENTS:
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            slow_body = len(connections) % 2 == 0
            connection.sendall(_HEAD + (b"content-length: 500\r\n\r\n{" if slow_body else b""))
            connections.append(connection)
        for connection in list(connections):
            try:
                connection.sendall(b" " if connections.index(connection) % 2 == 0 else b"x-a: b\r\n")
            except OSError:
                connections.remove(connection)
                connection.close()
        stop.wait(1)
    for connection in connections:
        connection.close()


def _large(port: int, stop: threading.Event) -> None:
    body = b"x" * 4_000_000
    while not stop.is_set():
        _send(port, _HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        stop.wait(_PAUSE)


def _malformed(port: int, stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        body = MALFORMED[number % len(MALFORMED)]
        _send(port, _HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        number += 1
        stop.wait(_PAUSE / 2)


def _send(port: int, data: bytes) -> None:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        while connection.recv(65536):
            pass


def beside_hostile_clients(server: Server, clients: int, seconds: float, bodies: Path) -> tuple[Summary, Summary]:
    """What healthy clients see alone, and beside the others."""
    alone = measure(server, clients, seconds, bodies)
    with hostile_clients(server.port):
        time.sleep(1)
        beside = measure(server, clients, seconds, bodies)
    return alone, beside


def beside_fuzzing(
    server: Server, clients: int, seconds: float, bodies: Path, requests: int, report: Path
) -> dict[str, Any]:
    """What healthy clients see alone, and while schemathesis sends its requests, which are counted by status."""
    alone = measure(server, clients, seconds, bodies)
    with ThreadPoolExecutor(1) as thread:
        fuzzing = thread.submit(fuzz, server, requests, report)
        time.sleep(_START_SECONDS)
        beside = measure(server, clients, seconds, bodies)
        found = fuzzing.result()
    for status, count in beside["statuses"].items():
        found["statuses"][status] = found["statuses"].get(status, 0) - count
    found["requests"] -= beside["requests"]
    return {**found, "alone": alone, "beside": beside}


def fuzz(server: Server, requests: int, report: Path) -> dict[str, Any]:
    """Send at least `requests` requests that schemathesis makes from /openapi.json; count them by status.

    It runs with the lowest priority: those who attack a server do not share its processor.

    Raises:
        SystemExit: schemathesis is not installed.
    """
    beside = Path(sys.executable).with_name("schemathesis")
    program = str(beside) if beside.is_file() else shutil.which("schemathesis")
    if program is None:
        raise SystemExit("--fuzz: needs schemathesis: pip install schemathesis")
    before = statuses(server)
    sent, runs, examples = 0, 0, max(10, requests // 40)
    while sent < requests:
        words = ["nice", "-n", "19", program, "run", f"http://127.0.0.1:{server.port}/openapi.json"]
        words += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", str(runs)]
        words += ["--checks", "not_a_server_error,content_type_conformance,status_code_conformance"]
        words += ["--exclude-path", "/v2/health/ready", "--continue-on-failure", "--no-shrink", "--workers", "2"]
        with report.open("a", encoding="utf-8") as output:
            subprocess.run(words, stdout=output, stderr=subprocess.STDOUT, check=False, cwd=report.parent)
        now = statuses(server)
        found = {status: count - before.get(status, 0) for status, count in now.items()}
        if sum(found.values()) == sent:
            raise SystemExit(f"schemathesis sent nothing: see {report}")
        sent, runs = sum(found.values()), runs + 1
    errors = sum(count for status, count in found.items() if status >= 500)
    return {"requests": sent, "server_errors": errors, "statuses": {str(key): found[key] for key in sorted(found)}}


def statuses(server: Server) -> dict[int, int]:
    """How many requests the server answered with each status."""
    found: dict[int, int] = {}
    for name, value in server.numbers().items():
        if name.startswith("palm_requests_total{"):
            status = int(name.partition('status="')[2].partition('"')[0])
            found[status] = found.get(status, 0) + int(value)
    return found
