"""The queue in front of the computing thread."""

import asyncio
import threading
import weakref
from dataclasses import dataclass

import pytest

pytest.importorskip("prometheus_client", reason='needs the extra serve: pip install "paddle-palm[serve]"')

from palm.inference.serving.batching import ComputingThread, PredictionJob, QueueFullError
from palm.inference.serving.metrics import ServeMetrics
from palm.inference.serving.served_model import RowTasks


class Model:
    """Remembers its batches; waits for `go` before each."""

    def __init__(self):
        self.batches, self.go = [], threading.Semaphore(0)

    def predict(self, units):
        self.go.acquire()
        self.batches.append([unit.row for unit in units])
        if any(unit.row == "fault" for unit in units):
            raise ZeroDivisionError
        return [{"t": {"text": unit.row}} for unit in units]


@dataclass
class Setting:
    """A thread and what it computes with."""

    thread: ComputingThread
    model: Model

    def submit(self, *rows, tokens=1, model=None):
        units = [RowTasks(row, number, ("t",)) for number, row in enumerate(rows)]
        future = asyncio.get_running_loop().create_future()
        self.thread.submit(PredictionJob(model or self.model, units, tokens, future))
        return future


def run(work, *, tokens=10, queue=8):
    """Run the coroutine `work(setting)` with a thread that has begun a first batch."""

    async def main():
        thread = ComputingThread(tokens=tokens, queue=queue, metrics=ServeMetrics())
        setting = Setting(thread, Model())
        thread.start()
        first = setting.submit("first")
        await asyncio.sleep(0.05)  # the thread has taken it
        try:
            await work(setting)
            await first
        finally:
            for _ in range(100):
                setting.model.go.release()
            await asyncio.to_thread(thread.stop)

    asyncio.run(main())


def test_what_waits_is_computed_together_within_its_tokens():
    async def work(setting):
        futures = [setting.submit(str(number), tokens=4) for number in range(5)]
        for _ in range(4):
            setting.model.go.release()
        answers = await asyncio.gather(*futures)
        assert [row["t"]["text"] for [row] in answers] == ["0", "1", "2", "3", "4"]
        assert setting.model.batches == [["first"], ["0", "1"], ["2", "3"], ["4"]]

    run(work)


def test_a_job_of_more_tokens_than_a_batch_is_computed_alone():
    async def work(setting):
        futures = [setting.submit("a"), setting.submit("b", tokens=99), setting.submit("c")]
        for _ in range(4):
            setting.model.go.release()
        await asyncio.gather(*futures)
        assert setting.model.batches == [["first"], ["a"], ["b"], ["c"]]

    run(work)


def test_jobs_of_another_model_are_another_batch():
    async def work(setting):
        other = Model()
        futures = [setting.submit("a"), setting.submit("b", model=other), setting.submit("c", model=other)]
        for _ in range(3):
            setting.model.go.release()
            other.go.release()
        await asyncio.gather(*futures)
        assert (setting.model.batches, other.batches) == ([["first"], ["a"]], [["b", "c"]])

    run(work)


def test_a_request_that_was_cancelled_is_not_computed():
    async def work(setting):
        gone, kept = setting.submit("gone"), setting.submit("kept")
        gone.cancel()
        setting.model.go.release()
        setting.model.go.release()
        await kept
        assert setting.model.batches == [["first"], ["kept"]]

    run(work)


def test_the_queue_has_an_end_and_cancelled_requests_leave_it():
    async def work(setting):
        futures = [setting.submit(str(number)) for number in range(3)]
        with pytest.raises(QueueFullError):
            setting.submit("one too many")
        futures[1].cancel()
        futures.append(setting.submit("fits"))
        for _ in range(4):
            setting.model.go.release()
        await asyncio.gather(*futures, return_exceptions=True)
        assert setting.model.batches == [["first"], ["0", "2", "fits"]]

    run(work, queue=3)


def test_a_fault_reaches_its_requests_alone(caplog):
    async def work(setting):
        bad = setting.submit("fault", tokens=10)
        good = setting.submit("good", tokens=10)
        for _ in range(3):
            setting.model.go.release()
        with pytest.raises(ZeroDivisionError):
            await bad
        assert await good == [{"t": {"text": "good"}}]

    run(work)
    assert "a batch of 1 requests failed" in caplog.text


def test_a_stop_computes_what_waits():
    async def main():
        thread = ComputingThread(tokens=1, queue=9, metrics=ServeMetrics())
        setting = Setting(thread, Model())
        thread.start()
        futures = [setting.submit(str(number)) for number in range(4)]
        for _ in range(4):
            setting.model.go.release()
        await asyncio.to_thread(thread.stop)
        assert len(await asyncio.gather(*futures)) == 4
        with pytest.raises(QueueFullError):
            setting.submit("late")

    asyncio.run(main())


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_model_that_was_replaced_is_not_kept(is_cancelled):
    async def work(setting):
        replaced = Model()
        gone = weakref.ref(replaced)
        future = setting.submit("last of its model", model=replaced)
        if is_cancelled:
            future.cancel()
        replaced.go.release()
        del replaced
        setting.model.go.release()
        await asyncio.wait([future])
        await asyncio.sleep(0.05)  # the thread waits for another job
        assert gone() is None

    run(work)
