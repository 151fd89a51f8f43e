"""The batches of a run in order, each made by one background thread while the steps before it compute."""

import time
from collections import deque
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType

from palm.balancing.sampling.base import Sampler
from palm.data.dataset import Batch, IntArray
from palm.engine.task_instance import TaskInstance

THREAD_NAME = "palm-feed"
BATCHES_AHEAD = 2  # a batch takes a thousandth of a step, save where a new epoch is shuffled


LAG = BATCHES_AHEAD + 1
"""Steps before a step, after which its task may be drawn: so much is known then, however far ahead the thread is."""

SamplingProbabilities = dict[str, list[float]]
"""Shares of the tasks as they were known after each of the last `LAG` steps, by the step's number."""


@dataclass(frozen=True)
class StepBatch:
    """What a global step trains on.

    Attributes:
        global_step: Number of the step, from 1.
        task: The task that it trains.
        task_step: How many steps of the task came before it.
        batch: The mini-batch; empty where the task shares rows and has no label for any of the step's.
        beside: What else the step trains on: the other tasks of a joint step.
        passed_over: Draws of tasks that had left the mix, up to here.
        places: Where the batch's rows are among the step's, for tasks that share rows; None where it has all of them.
    """

    global_step: int
    task: TaskInstance
    task_step: int
    batch: Batch
    other_tasks: tuple["StepBatch", ...] = ()
    skipped_draws: int = 0
    row_indices: "IntArray | None" = None

    @property
    def parts(self) -> tuple["StepBatch", ...]:
        """Everything that the step trains on, one task each."""
        return (self, *self.other_tasks)

    @property
    def end_epoch(self) -> tuple[str, ...]:
        """The tasks that have seen their training examples once more after the step."""
        ends = (part.task for part in self.parts if (part.task_step + 1) % part.task.steps_per_epoch == 0)
        return tuple(task.name for task in ends)


def step_batches(
    tasks: Sequence[TaskInstance],
    sampler: Sampler,
    *,
    done_steps: int,
    task_steps: Mapping[str, int],
    retired_tasks: Collection[str] = (),
    skipped_draws: int = 0,
    probabilities: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> Iterator[StepBatch]:
    """What each global step after `done_steps` trains on, without end; a pure function of its arguments.

    What is drawn of the tasks in `left` is passed over: the others keep their shares and their order. `shares` may grow
    meanwhile: a step takes those that were known `LAG` steps before it.
    """
    steps = dict(task_steps)
    for number in count(done_steps + 1):
        mixed = sampler.with_probabilities(probabilities.get(str(number - LAG)))
        taken = _taken(tasks, mixed, number + skipped_draws, retired_tasks)
        while not taken:
            skipped_draws += 1
            taken = _taken(tasks, mixed, number + skipped_draws, retired_tasks)
        parts = []
        for task in taken:
            before = steps.get(task.name, 0)
            steps[task.name] = before + 1
            parts.append(
                StepBatch(number, task, before, task.batch_at(before), row_indices=task.examples_at(before)[1])
            )
        yield replace(parts[0], other_tasks=tuple(parts[1:]), skipped_draws=skipped_draws)


def _taken(
    tasks: Sequence[TaskInstance], sampler: Sampler, number: int, retired_tasks: Collection[str]
) -> Sequence[TaskInstance]:
    """What `sampler` draws as its `number`-th, without what has left the mix."""
    return [tasks[index] for index in sampler.tasks_at(number) if tasks[index].name not in retired_tasks]


def prefetched(source: Iterator[StepBatch]) -> Generator[tuple[StepBatch, float], None, None]:
    """What `source` gives, in its order, and the seconds that each item was waited for.

    An error of `source` is raised where its item would have come. The thread ends with this generator: close it.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix=THREAD_NAME)
    pending: deque[Future[StepBatch | None]] = deque()
    try:
        while True:
            while len(pending) <= BATCHES_AHEAD:
                pending.append(pool.submit(next, source, None))
            asked = time.perf_counter()
            step_batch = pending.popleft().result()
            if step_batch is None:
                return
            yield step_batch, time.perf_counter() - asked
    finally:
        pool.shutdown(cancel_futures=True)
