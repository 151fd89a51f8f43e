"""A load generator over plain sockets, one thread for all clients: each sends one request after the other.

    python -m benchmarks.serving.load PORT CLIENTS SECONDS FILE

It prints a JSON object: requests per second, p50 and p99 in milliseconds, and the answers that were no 200. `FILE` has
a request's body per line. An HTTP client library would cost as much as the model.
"""

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 16


@dataclass
class Outcome:
    """What clients saw.

    Attributes:
        milliseconds: Of each answer.
        statuses: How often each status came.
        failed: Connections that ended without an answer.
        seconds: How long it took.
    """

    milliseconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    failed: int = 0
    seconds: float = 0.0

    def quantile(self, fraction: float) -> float:
        """The milliseconds below which this fraction of answers lies."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] if ordered else float("nan")

    @property
    def summary(self) -> dict[str, object]:
        """Rate, quantiles and failures."""
        return {
            "requests_per_second": round(len(self.milliseconds) / self.seconds, 1),
            "p50_ms": round(self.quantile(0.5), 1),
            "p99_ms": round(self.quantile(0.99), 1),
            "requests": len(self.milliseconds),
            "failed": self.failed + sum(count for status, count in self.statuses.items() if status != 200),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
        }


class _Client:
    """One connection."""

    def __init__(self, port: int, requests: list[bytes], number: int) -> None:
        self._port, self._requests, self._number = port, requests, number
        self.since, self._received, self._length = 0.0, b"", -1
        self.connection = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self) -> None:
        """Send the next request."""
        self._received, self._length, self.since = b"", -1, time.perf_counter()
        self.connection.sendall(self._requests[self._number % len(self._requests)])
        self._number += 1

    def receive(self) -> int | None:
        """Take what came; the status of an answer that is complete.

        Raises:
            ConnectionError: It ended before.
        """
        part = self.connection.recv(_CHUNK)
        if not part:
            raise ConnectionError
        self._received += part
        if self._length < 0:
            head, blank, _ = self._received.partition(b"\r\n\r\n")
            if not blank:
                return None
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self._length = len(head) + len(blank) + int(length.partition(b":")[2])
        return int(self._received[9:12]) if len(self._received) >= self._length else None

    def reconnect(self) -> None:
        """Begin again on another connection."""
        self.connection.close()
        self.connection = self._connect()


def requests_of(bodies: list[bytes]) -> list[bytes]:
    """Whole HTTP requests."""
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return [head % len(body) + body for body in bodies]


def load(port: int, clients: int, seconds: float, bodies: list[bytes]) -> Outcome:
    """Keep `clients` requests under way for `seconds`."""
    outcome, requests = Outcome(), requests_of(bodies)
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for number in range(clients):
            client = _Client(port, requests, number * 7)
            selector.register(client.connection, selectors.EVENT_READ, client)
            client.send()
        open_requests = clients
        while open_requests:
            for key, _ in selector.select(timeout=60):
                client = key.data
                try:
                    status = client.receive()
                except ConnectionError:
                    outcome.failed += 1
                    selector.unregister(client.connection)
                    client.reconnect()
                    selector.register(client.connection, selectors.EVENT_READ, client)
                    status = 0
                if status is None:
                    continue
                now = time.perf_counter()
                if status:
                    outcome.milliseconds.append((now - client.since) * 1000)
                    outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
                if now - began < seconds:
                    client.send()
                else:
                    open_requests -= 1
                    selector.unregister(client.connection)
                    client.connection.close()
    outcome.seconds = time.perf_counter() - began
    return outcome


def main() -> None:
    port, clients, seconds, file = sys.argv[1:]
    bodies = Path(file).read_bytes().splitlines()
    print(json.dumps(load(int(port), int(clients), float(seconds), bodies).summary))


if __name__ == "__main__":
    main()
