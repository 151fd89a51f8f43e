"""One thread computes: requests wait in a bounded queue, and a batch holds as many of them as its tokens allow."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from palm.inference.serving.metrics import ServeMetrics
from palm.inference.serving.served_model import Answers, RowTasks, ServedModel

_log = logging.getLogger(__name__)


class QueueFullError(Exception):
    """As many requests wait as may."""


@dataclass(eq=False)
class PredictionJob:
    """The rows of one request, on their way to the computing thread and back.

    Attributes:
        model: The model that the request was checked for; after a reload, requests that wait keep theirs.
        units: The rows.
        tokens: About how many tokens they have.
        future: Resolved with an answer per row, in the loop of the server.
        since: When it was queued.
    """

    model: ServedModel
    units: Sequence[RowTasks]
    tokens: int
    future: "asyncio.Future[list[Answers]]"
    since: float = field(default_factory=time.perf_counter)


class ComputingThread:
    """Computes the jobs that are submitted, several at once, in the order of their arrival.

    Args:
        tokens: Most tokens of a batch; a larger job has one of its own.
        queue: Most jobs that wait.
        metrics: Counts what happens.
    """

    def __init__(self, *, tokens: int, queue: int, metrics: ServeMetrics) -> None:
        self._most_tokens, self._most_jobs, self._metrics = tokens, queue, metrics
        self._jobs: deque[PredictionJob] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="palm-compute", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Compute what waits, then end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def submit(self, job: PredictionJob) -> None:
        """Queue a job.

        Raises:
            QueueFullError: Too many wait.
        """
        with self._changed:
            waiting = len(self._jobs)
            if waiting >= self._most_jobs:
                # Those whose clients are gone or no longer wait leave their places.
                self._jobs = deque(waiter for waiter in self._jobs if not waiter.future.done())
                waiting = len(self._jobs)
            if waiting >= self._most_jobs or self._stopped:
                raise QueueFullError
            self._jobs.append(job)
            self._metrics.waiting(waiting + 1)
            self._changed.notify()

    def _run(self) -> None:
        while batch := self._take():
            self._compute(batch)
            del batch  # nothing here keeps a model that was replaced until the next request

    def _compute(self, batch: list[PredictionJob]) -> None:
        self._metrics.batch(len(batch), sum(len(job.units) for job in batch), sum(job.tokens for job in batch))
        began = time.perf_counter()
        for job in batch:
            self._metrics.queue_seconds.observe(began - job.since)
        outcome = _outcome(batch)
        self._metrics.compute_seconds.observe(time.perf_counter() - began)
        batch[0].future.get_loop().call_soon_threadsafe(_resolve, batch, outcome)

    def _take(self) -> list[PredictionJob]:
        """The jobs of the next batch; waits for one, and is empty at the end."""
        with self._changed:
            while not (batch := self._next_batch()) and not self._stopped:
                self._changed.wait()
            return batch

    def _next_batch(self) -> list[PredictionJob]:
        """The first jobs of one model within the tokens of a batch, out of the queue."""
        batch: list[PredictionJob] = []
        tokens = 0
        while self._jobs:
            job = self._jobs[0]
            if job.future.done():  # the client is gone, or waits no longer
                self._jobs.popleft()
                continue
            if batch and (tokens + job.tokens > self._most_tokens or job.model is not batch[0].model):
                break
            batch.append(self._jobs.popleft())
            tokens += job.tokens
        self._metrics.waiting(len(self._jobs))
        return batch


def _outcome(batch: Sequence[PredictionJob]) -> list[list[Answers]] | Exception:
    """The answers of each job, or what went wrong."""
    try:
        answers = iter(batch[0].model.predict([unit for job in batch for unit in job.units]))
        return [[next(answers) for _ in job.units] for job in batch]
    except Exception as error:  # whatever it is, the thread goes on and the clients hear of it
        _log.exception("a batch of %d requests failed", len(batch))
        return error


def _resolve(batch: Sequence[PredictionJob], outcome: list[list[Answers]] | Exception) -> None:
    for number, job in enumerate(batch):
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome[number])
