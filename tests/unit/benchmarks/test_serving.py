"""The load generator and the tables of benchmarks.serving."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.serving.load import Outcome, load
from benchmarks.serving.report import clients_table
from benchmarks.serving.server import write_bodies


@contextmanager
def answering(statuses: list[int]) -> Iterator[int]:
    """A server that answers with these statuses in turn; 0 closes the connection."""
    turn = iter(range(1 << 30))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = statuses[next(turn) % len(statuses)]
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_clients_ask_until_the_time_is_over() -> None:
    with answering([200]) as port:
        found = load(port, 4, 0.3, ['{"inputs": ["鱼"]}'.encode()])
    assert found.statuses.keys() == {200}
    assert found.statuses[200] == len(found.milliseconds) >= 4
    assert found.summary["failed"] == 0


def test_other_answers_and_none_are_failures() -> None:
    with answering([200, 429, 200, 0]) as port:
        found = load(port, 2, 0.3, [b"{}"])
    assert found.statuses[429] > 0
    assert found.failed > 0
    assert found.summary["failed"] == found.failed + found.statuses[429]


def test_quantiles() -> None:
    outcome = Outcome([float(number) for number in range(100, 0, -1)], {200: 100}, 0, 2.0)
    assert (outcome.quantile(0.5), outcome.quantile(0.99)) == (51.0, 100.0)
    assert outcome.summary["requests_per_second"] == 50.0


def test_bodies_and_tables(tmp_path) -> None:
    file = write_bodies(["a", "鱼"], ["intent"], tmp_path / "bodies")
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == [
        {"inputs": ["a"], "tasks": ["intent"]}, {"inputs": ["鱼"], "tasks": ["intent"]},
    ]  # fmt: skip
    summary = Outcome([1.0, 2.0], {200: 2}, 0, 1.0).summary
    assert "| 8 clients | 2 | 2.0 | 2.0 | 0 |" in clients_table({"8 clients": summary})
