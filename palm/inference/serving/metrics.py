"""What a server counts, for Prometheus: requests, rows, tokens, batches, the queue, and how long things take."""

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable with the folder in which several processes count together; prometheus_client reads it at its import."""

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_TOKENS = (16, 64, 256, 1024, 4096, 16_384)


class ServeMetrics:
    """The numbers of one server."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        if SHARED_FOLDER not in os.environ:
            ProcessCollector(registry=self._own)
        self._requests = Counter(
            "palm_requests", "Requests by path and status.", ["path", "status"], registry=self._own
        )
        self._latency = Histogram(
            "palm_request_seconds",
            "Time from the head of a request to its response.",
            ["path"],
            buckets=_SECONDS,
            registry=self._own,
        )
        self._rows = Counter("palm_rows", "Rows predicted, by task.", ["task"], registry=self._own)
        self._tokens = Counter("palm_tokens", "Tokens computed, about: three bytes count as one.", registry=self._own)
        self._batch_requests = self._histogram("palm_batch_requests", "Requests of a batch.", _ROWS)
        self._batch_rows = self._histogram("palm_batch_rows", "Rows of a batch.", _ROWS)
        self._batch_tokens = self._histogram("palm_batch_tokens", "Tokens of a batch, about.", _TOKENS)
        self._queue = Gauge(
            "palm_queue_requests", "Requests that wait.", registry=self._own, multiprocess_mode="livesum"
        )
        self.queue_seconds = self._histogram("palm_queue_seconds", "Time that a request waited.", _SECONDS)
        self.compute_seconds = self._histogram("palm_compute_seconds", "Time that a batch was computed.", _SECONDS)
        self._reloads = Counter("palm_reloads", "Reloads of the model by outcome.", ["outcome"], registry=self._own)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(path, str(status)).inc()
        self._latency.labels(path).observe(seconds)

    def predicted(self, tasks: Iterable[str]) -> None:
        """Count the rows of a request: one of each name."""
        for task in tasks:
            self._rows.labels(task).inc()

    def batch(self, requests: int, rows: int, tokens: int) -> None:
        """Count a batch."""
        self._batch_requests.observe(requests)
        self._batch_rows.observe(rows)
        self._batch_tokens.observe(tokens)
        self._tokens.inc(tokens)

    def waiting(self, requests: int) -> None:
        """Keep how many requests wait."""
        self._queue.set(requests)

    def reloaded(self, outcome: str) -> None:
        """Count a reload: `loaded` or `refused`."""
        self._reloads.labels(outcome).inc()

    def text(self) -> bytes:
        """All numbers in Prometheus' text format; those of all processes where several serve."""
        if SHARED_FOLDER in os.environ:
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]
            return generate_latest(together)
        return generate_latest(self._own)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, meaning, buckets=buckets, registry=self._own)
