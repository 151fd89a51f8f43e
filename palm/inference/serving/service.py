"""The state of a server: the model that answers, the thread that computes, and how a request gets its predictions."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from palm.inference.serving.batching import ComputingThread, PredictionJob, QueueFullError
from palm.inference.serving.errors import CLIENT_GONE, HttpError
from palm.inference.serving.metrics import ServeMetrics
from palm.inference.serving.request_rows import RequestRow
from palm.inference.serving.served_model import Answers, RowTasks, ServedModel
from palm.inference.serving.settings import RequestLimits

_AGAIN = {"retry-after": "1"}


class Service:
    """Predicts for the routes.

    Args:
        model: The model; `replace` puts another one in its place.
        limits: Limits of requests.
        metrics: Counts what happens.
    """

    def __init__(self, model: ServedModel, limits: RequestLimits, metrics: ServeMetrics) -> None:
        self.model, self.limits, self.metrics = model, limits, metrics
        self.is_stopping = False
        self._computing = ComputingThread(tokens=limits.tokens, queue=limits.queue, metrics=metrics)

    def start(self) -> None:
        """Start the computing thread."""
        self._computing.start()

    def stop(self) -> None:
        """End it, after what waits."""
        self._computing.stop()

    def replace(self, model: ServedModel) -> None:
        """Answer new requests with `model`; those that wait keep theirs."""
        self.model = model

    async def predict(
        self,
        model: ServedModel,
        rows: Sequence[RequestRow | str],
        tasks: Sequence[str],
        is_gone: Callable[[], Awaitable[None]],
    ) -> list[Answers]:
        """The answers of `tasks` for each row.

        Args:
            model: The model that rows and tasks were checked for.
            rows: Checked rows.
            tasks: Names of its tasks.
            is_gone: Waits until the client is gone.

        Raises:
            HttpError: Too many requests wait (429), or this one did for too long (503).
        """
        units = [RowTasks(row, number, tuple(tasks)) for number, row in enumerate(rows)]
        tokens = sum(unit.tokens for unit in units)
        job = PredictionJob(model, units, tokens, asyncio.get_running_loop().create_future())
        try:
            self._computing.submit(job)
        except QueueFullError:
            rule = f"at most {self.limits.queue} requests wait."
            raise HttpError(429, rule, advice="Send this one again later.", headers=_AGAIN) from None
        await self._wait(job, is_gone)
        answers = job.future.result()
        self.metrics.predicted(task for row in answers for task in row)
        return answers

    async def _wait(self, job: PredictionJob, is_gone: Callable[[], Awaitable[None]]) -> None:
        """Wait for the answers.

        Raises:
            HttpError: It took too long (503), or the client is gone (499, which is only counted).
        """
        gone = asyncio.ensure_future(is_gone())
        try:
            waits_for: set[asyncio.Future[Any]] = {job.future, gone}
            await asyncio.wait(waits_for, timeout=self.limits.wait_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = gone.done()
            gone.cancel()
            late = not job.future.done()
            if late:
                job.future.cancel()  # the computing thread passes over it
        if late and left:
            raise HttpError(CLIENT_GONE, "the client has closed the connection.")
        if late:
            rule = f"a request waits for at most {self.limits.wait_seconds:g} seconds."
            raise HttpError(503, rule, "It was not computed by then.", "Send it again later.", headers=_AGAIN)


def readable_error(answers: Sequence[Answers]) -> str | None:
    """Why no task could read any row; None where one could."""
    errors = [str(answer["error"]) for row in answers for answer in row.values() if set(answer) == {"error"}]
    if len(errors) < sum(map(len, answers)):
        return None
    return Counter(errors).most_common(1)[0][0] if errors else None
