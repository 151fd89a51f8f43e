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
    """At least `requests` requests that schemathesis makes from /openapi.json, by status.

    Also what healthy clients see alone, and during the first of them.

    Raises:
        SystemExit: schemathesis is not installed, or sends nothing.
    """
    alone = measure(server, clients, seconds, bodies)
    before, examples = statuses(server), max(10, requests // 40)
    with ThreadPoolExecutor(1) as thread:
        fuzzing = thread.submit(_fuzz, server, examples, 0, report)
        time.sleep(_START_SECONDS)
        beside = measure(server, clients, seconds, bodies)
        fuzzing.result()
    for status, count in beside["statuses"].items():
        before[int(status)] = before.get(int(status), 0) + count
    found, runs = _since(server, before), 1
    while sum(found.values()) < requests:
        _fuzz(server, examples, runs, report)
        now, runs = _since(server, before), runs + 1
        if now == found:
            raise SystemExit(f"schemathesis sent nothing: see {report}")
        found = now
    errors = sum(count for status, count in found.items() if status >= 500)
    by_status = {str(status): found[status] for status in sorted(found)}
    return {
        "requests": sum(found.values()),
        "server_errors": errors,
        "statuses": by_status,
        "alone": alone,
        "beside": beside,
    }


def _fuzz(server: Server, examples: int, seed: int, report: Path) -> None:
    """Run schemathesis once, with the lowest priority: those who attack a server do not share its processor."""
    beside = Path(sys.executable).with_name("schemathesis")
    program = str(beside) if beside.is_file() else shutil.which("schemathesis")
    if program is None:
        raise SystemExit("the part `fuzz` needs schemathesis: pip install schemathesis")
    words = ["nice", "-n", "19", program, "run", f"http://127.0.0.1:{server.port}/openapi.json"]
    words += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", str(seed)]
    words += ["--checks", "not_a_server_error,content_type_conformance,status_code_conformance"]
    words += ["--exclude-path", "/v2/health/ready", "--continue-on-failure", "--no-shrink", "--workers", "2"]
    with report.open("a", encoding="utf-8") as output:
        subprocess.run(words, stdout=output, stderr=subprocess.STDOUT, check=False, cwd=report.parent)


def _since(server: Server, before: dict[int, int]) -> dict[int, int]:
    """How many more requests the server has answered with each status than `before`."""
    differences = {status: count - before.get(status, 0) for status, count in statuses(server).items()}
    return {status: count for status, count in differences.items() if count}


def statuses(server: Server) -> dict[int, int]:
    """How many requests the server answered with each status."""
    found: dict[int, int] = {}
    for name, value in server.numbers().items():
        if name.startswith("palm_requests_total{"):
            status = int(name.partition('status="')[2].partition('"')[0])
            found[status] = found.get(status, 0) + int(value)
    return found
