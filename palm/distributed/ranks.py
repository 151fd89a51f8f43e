"""The processes that train one run together, and how they talk: Paddle's collectives, and the store behind them.

A collective of gloo waits 30 seconds at most, whatever it is asked. So the ranks first meet at the store, where
waiting has no limit while the others are alive, and whatever one rank does alone (`on_first`) is waited for there, too.
"""

import atexit
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from typing import Any, ClassVar, TypeVar

import numpy as np

from palm.distributed.link import store_address
from palm.distributed.network import INTERFACE, interface_towards, send_at_once
from palm.distributed.rank_environment import EXIT_LOST, is_rank, rank_count, rank_index
from palm.distributed.watch import Watch
from palm.errors import TrainingError
from palm.runtime.paddle_import import without_lines

_BACKEND = "PADDLE_DISTRI_BACKEND"
_FLAG_LINES = ("=======================", "FLAGS(")  # the flags of Paddle that are not at their default
_SUMS = "the sum of gradients and losses"
_SHORTEST, _LONGEST = 0.0002, 0.02  # seconds between two looks at the store
_LEAVING = 3.0  # seconds that the end of rank 0 waits for the others at most

Given = TypeVar("Given")


class LostRanksError(TrainingError):
    """Another rank has ended, or failed: the run cannot go on."""

    exit_code: ClassVar[int] = EXIT_LOST


def _is_of_a_connection(error: BaseException) -> bool:
    """Whether Paddle raised it; what a signal handler raises while a rank waits is of another place."""
    traceback = error.__traceback__
    if traceback is None:
        return True
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = str(traceback.tb_frame.f_globals.get("__name__"))
    return module == __name__ or module.partition(".")[0] == "paddle"


class Ranks:
    """All processes of a run; with a single one every method returns at once.

    Args:
        index: Number of this process, from 0.
        count: Number of processes.

    Attributes:
        stop: The number of a signal after which this process wants to stop; 0 without one. It is part of what the
            ranks tell each other in each step.
        agreed_stop: The number of a signal after which all of them stop, since one of them wants to; 0 without one.
        watch: Knows when another one is lost, and ends this process then, wherever it waits.
    """

    def __init__(self, index: int, count: int) -> None:
        self.index = index
        self.count = count
        self.stop = 0
        self.agreed_stop = 0
        self.watch = Watch()
        self._store: Any = None
        self._broken = False
        self._meetings = 0
        self._turns = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.index == 0

    def start(self) -> Any:  # noqa: ANN401 (Paddle's store has no public type)
        """Connect the processes, once; returns Paddle's store. Every rank calls it at the same point."""
        if self.count > 1 and self._store is None:
            import paddle  # noqa: PLC0415 (which the engine has set up)
            from paddle.base import core  # noqa: PLC0415

            if paddle.device.get_device() == "cpu":
                os.environ.setdefault(_BACKEND, "gloo")
            host, port = store_address()
            interface = interface_towards(host)
            if interface is not None:
                os.environ.setdefault(INTERFACE, interface)
            with without_lines(_FLAG_LINES):
                paddle.distributed.init_parallel_env()
            self._store = core.create_or_get_global_tcp_store()
            send_at_once(port)
            atexit.register(self._leave)
            self.watch.start(self.index, self.count)
        return self._store

    def _leave(self) -> None:
        """End together: rank 0, in which the store is, waits until the others have read what it said last."""
        with suppress(Exception):  # they may be gone
            self._store.add("palm/left", 1)
            until = time.monotonic() + _LEAVING
            waits = self.first and not self._broken
            while waits and time.monotonic() < until and self._count("palm/left") < self.count:
                time.sleep(_LONGEST)

    def meet(self, activity: str = "") -> None:
        """Wait until every rank is here."""
        if self.count == 1:
            return
        self._meetings += 1
        key = f"palm/meeting/{self._meetings}"
        self.start()
        with self.watch.waiting(activity, self._meetings):
            self._count(key, 1)
            self._wait(lambda: self._count(key) >= self.count)

    def sum_in_place(self, flat: Any) -> None:  # noqa: ANN401 (a tensor; Paddle is imported late)
        """Replace the tensor by its sum over all ranks, which has the same bits on each."""
        if self.count == 1:
            return
        import paddle.distributed as dist  # noqa: PLC0415 (as above)

        if self.sums_in_background:
            self._meetings += 1  # at `reading_sums`
        else:
            self.meet(_SUMS)
        with self.watch.waiting(_SUMS), self._losses_named():
            dist.all_reduce(flat)

    def reading_sums(self) -> AbstractContextManager[None]:
        """Where sums are read, which waits for those that are computed in the background."""
        return self.watch.waiting(_SUMS, self._meetings) if self.count > 1 else nullcontext()

    @property
    def sums_in_background(self) -> bool:
        """Whether sums run beside other operations, as those of NCCL on a GPU do; those of gloo are waited for."""
        import paddle  # noqa: PLC0415 (as above)

        return self.count > 1 and paddle.device.get_device() != "cpu"

    def begin_sum(self, flat: Any) -> Callable[[], object]:  # noqa: ANN401 (as above)
        """Begin to replace the tensor by its sum over all ranks; the result waits for it."""
        import paddle.distributed as dist  # noqa: PLC0415 (as above)

        if self.sums_in_background:
            self._meetings += 1
            task: Any = dist.all_reduce(flat, sync_op=False)
            waits: Callable[[], object] = task.wait
            return waits
        self.sum_in_place(flat)
        return lambda: None

    def gather(self, data: bytes) -> list[bytes]:
        """The bytes of every rank, by rank."""
        if self.count == 1:
            return [data]
        import paddle  # noqa: PLC0415 (as above)
        import paddle.distributed as dist  # noqa: PLC0415

        self.meet("results of other ranks")
        counts: list[Any] = []
        found: list[Any] = []
        with self.watch.waiting("results of other ranks"), self._losses_named():
            dist.all_gather(counts, paddle.to_tensor([len(data)], dtype="int64"))
            lengths = [int(count.numpy()[0]) for count in counts]
            padded = np.zeros(max(*lengths, 1), np.uint8)
            padded[: len(data)] = np.frombuffer(data, np.uint8)
            dist.all_gather(found, paddle.to_tensor(padded))
        return [tensor.numpy()[:size].tobytes() for tensor, size in zip(found, lengths, strict=True)]

    def gather_values(self, value: object) -> list[Any]:
        """A value of JSON from every rank, by rank."""
        return [json.loads(data) for data in self.gather(json.dumps(value).encode())]

    def on_first(self, action: Callable[[], Given], activity: str = "rank 0, which writes files") -> Given:
        """Run `action` on rank 0 alone, while the others wait without a limit; each returns its result.

        Args:
            action: Its result is a value of JSON, or None.
            activity: What the others wait for.

        Raises:
            LostRanksError: On the other ranks, if the action raised on rank 0.
        """
        if self.count == 1:
            return action()
        self._turns += 1
        key, store = f"palm/first/{self._turns}", self.start()
        if not self.first:
            with self.watch.waiting(activity), self._losses_named():
                self._wait(lambda: self._count(f"{key}/done") > 0)
                outcome = json.loads(bytes(store.get(key)))
            if "error" in outcome:
                raise LostRanksError(f"rank 0: {outcome['error']}")
            result: Given = outcome["result"]
            return result
        try:
            result = action()
        except BaseException as error:
            with suppress(Exception):  # the other ranks may be gone
                self._post(key, {"error": str(error) or type(error).__name__})
            raise
        self._post(key, {"result": result})
        return result

    @contextmanager
    def _losses_named(self) -> Iterator[None]:
        """Say what an error of Paddle's connections means.

        Raises:
            LostRanksError: Another rank has ended, so that its connection is closed.
        """
        try:
            yield
        except (RuntimeError, OSError, SystemError, ValueError) as error:
            if not _is_of_a_connection(error):
                raise
            self._broken = True
            rule = "the connection to the other ranks of the run is lost: one of them has ended"
            found = (str(error).strip().splitlines() or [""])[-1]
            raise LostRanksError(f"{rule}, and its output says why. Found: {found:.200}") from error

    def _post(self, key: str, outcome: dict[str, object]) -> None:
        self._store.set(key, json.dumps(outcome))
        self._store.add(f"{key}/done", 1)

    def _count(self, key: str, more: int = 0) -> int:
        """A counter of the store, after adding to it."""
        with self._losses_named():
            return int(self._store.add(key, more))

    def _wait(self, arrived: Callable[[], bool]) -> None:
        pause = _SHORTEST
        while not arrived():
            self.watch.check()
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST)


ONE = Ranks(0, 1)
"""A run of one process."""


@cache
def current_ranks() -> Ranks:
    """The ranks of this process, from the environment of Paddle's launcher; they are connected when they first meet.

    Warnings of other ranks than the first, which gives the same ones, are not shown from here on; errors are.
    """
    if not is_rank():
        return ONE
    ranks = Ranks(rank_index(), rank_count())
    if not ranks.first:
        logging.getLogger("palm").setLevel(logging.ERROR)
    return ranks


def parts_of(rows: int, ranks: int) -> Sequence[tuple[int, int]]:
    """The rows of each rank: from its first to the one after its last, as equal in number as can be."""
    return [(rank * rows // ranks, (rank + 1) * rows // ranks) for rank in range(ranks)]
