"""The load generator and the tables of benchmarks.serving."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.serving.load import Outcome, load
from benchmarks.serving.parts import growth_of
from benchmarks.serving.report import clients_table, goals_of, read_parts, section_of, write_pages, write_record
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


def part(numbers: dict[str, object]) -> dict[str, object]:
    facts = {"cpu": "a CPU, 2 cores", "threads": "2", "date": "2026-01-01"}
    return {"command": "python -m benchmarks.serving --data atis", "facts": facts, "seconds": 12, "numbers": numbers}


RATES = {"rows_per_second": 400.0, "time_to_first": 1.0, "peak_gb": 0.5}
LOAD = {"requests_per_second": 100.0, "p50_ms": 10.0, "p99_ms": 20.0, "failed": 0}
PARTS = {
    "heads": part(
        {
            "first": "PALM, 1 head",
            "participants": {
                "PALM, 1 head": RATES,
                "PALM, 2 heads": {**RATES, "time_to_first": 1.05},
                "PALM, 6 heads": {**RATES, "time_to_first": 1.25},
            },
            "time_to_one_onnx_head": {"PALM, ONNX Runtime, 2 heads": 1.1},
            "failed": {"PALM, 6 models": "no memory"},
        }
    ),
    "answers": part({"compared": 432, "different": 1, "first": []}),
    "clients": part({"loads": {"2 heads, 1 client": LOAD}, "memory_mb": 700}),
    "hostile": part({"alone": LOAD, "beside": {**LOAD, "p99_ms": 50.0}}),
    "fuzz": part(
        {"requests": 10_000, "server_errors": 2, "statuses": {"200": 9_998, "500": 2}, "alone": LOAD, "beside": LOAD}
    ),
    "reloads": part(
        {
            "seconds": 600.0, "load": {**LOAD, "failed": 3}, "reloads": 6,
            "memory_mb": {"at_start": 500, "after_reloads": [600, 700, 700, 710, 770, 790], "at_end": 790},
        }
    ),
}  # fmt: skip


def test_goals_follow_from_the_parts_that_were_measured() -> None:
    met = {goal.what: goal.met for goal in goals_of(PARTS)}
    assert met == {
        "time of 2 heads from one pass / of one": True,
        "the same with ONNX Runtime, 2 heads": True,
        "time of 6 heads from one pass / of one": False,
        "the same with ONNX Runtime, 6 heads": None,
        "answers that differ from `palm pred`": False,
        "failed requests under load with reloads": False,
        "memory, last third / second third": False,
        "healthy p99 beside hostile clients / alone": False,
        "healthy p99 beside fuzzed requests / alone": True,
        "server errors of fuzzed requests": False,
    }
    assert goals_of({}) == []


def test_memory_that_grows_after_the_first_reloads() -> None:
    assert growth_of({"after_reloads": [300, 300, 500, 500, 500, 500]}) == 1.0
    assert growth_of({"after_reloads": [300, 300, 500, 500, 600, 600]}) == 1.2
    assert growth_of({"after_reloads": [300, 500]}) is None


def test_pages_are_written_from_the_record(tmp_path) -> None:
    record, results, sizing = tmp_path / "results" / "serving.json", tmp_path / "RESULTS.md", tmp_path / "serving.md"
    sizing.write_text(
        "# Serving\n\n<!-- sizing: begin -->\nno numbers\n<!-- sizing: end -->\n\nRules\n", encoding="utf-8"
    )
    results.write_text("# Results\n", encoding="utf-8")
    assert read_parts(record) == {}
    write_record({"answers": PARTS["answers"]}, record)
    write_record({**read_parts(record), **PARTS}, record)
    assert read_parts(record) == PARTS
    for _ in range(2):
        write_pages(read_parts(record), results, sizing)
    page = sizing.read_text(encoding="utf-8")
    assert page.count("sizing: begin") == 1
    assert "no numbers" not in page
    assert page.rstrip().endswith("Rules")
    assert "| 2 heads, 1 client | 100 | 10.0 | 20.0 | 0 |" in page
    written = results.read_text(encoding="utf-8")
    assert written.count("## B10") == 1
    assert section_of(PARTS) in written
    assert "PALM, 6 models (failed: no memory)" in written
    assert "600, 700, 700, 710, 770, 790 MB" in written
