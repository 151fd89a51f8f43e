"""The batches of a run in order, prepared by a background thread during the steps before them."""

import time
from collections import deque
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType

from palm.balancing.sampling.base import Sampler
from palm.data.dataset import Batch, IntArray
from palm.distributed.ranks import ONE, Ranks
from palm.engine.model import LossFactors
from palm.engine.rank_part import RankPart, part_of
from palm.engine.task_instance import TaskInstance

THREAD_NAME = "palm-feed"
BATCHES_AHEAD = 2  # a batch takes a thousandth of a step, except when a new epoch is shuffled


LAG = BATCHES_AHEAD + 1
"""Steps before a step whose results are known when its task is sampled, however far ahead the thread is."""

SamplingProbabilities = dict[str, list[float]]
"""Sampling probabilities of the tasks after each of the last `LAG` steps, by the step's number."""


@dataclass(frozen=True)
class StepBatch:
    """The batches of a global step.

    Attributes:
        global_step: Number of the step, from 1.
        task: The task that it trains.
        task_step: Number of earlier steps of the task.
        batch: The mini-batch; empty if the task shares rows and has no label for any of them.
        other_tasks: The batches of the other tasks of a joint step.
        skipped_draws: Samples of retired tasks before this step.
        row_indices: Indices of the batch's rows among those of the step, for tasks that share rows; None for all rows.
        rank_part: What this process computes of a batch that several share; the batch is this part then.
    """

    global_step: int
    task: TaskInstance
    task_step: int
    batch: Batch
    other_tasks: tuple["StepBatch", ...] = ()
    skipped_draws: int = 0
    row_indices: "IntArray | None" = None
    rank_part: RankPart | None = None

    @property
    def share(self) -> float:
        """Fraction of the whole batch's loss that the mean loss of this process's part is."""
        return 1.0 if self.rank_part is None else self.rank_part.share

    @property
    def factors(self) -> LossFactors:
        """The factors of what regularisers add to the mean loss of a part, as it is multiplied by `share`."""
        part = self.rank_part
        losses = self._losses if self.task.settings.rdrop_sum_alpha else 0
        if part is None:
            return LossFactors(examples=losses)
        if not part.share:
            return LossFactors(examples=0.0)
        return LossFactors(part.distance_share / part.share, part.penalty_share / part.share, losses / part.share)

    @property
    def _losses(self) -> int:
        """How many losses of examples this process's mean loss is of."""
        examples = len(self.batch["token_ids"]) if self.row_indices is None else len(self.row_indices)
        return self.task.paradigm.count_losses(self.batch, examples)

    @property
    def parts(self) -> tuple["StepBatch", ...]:
        """All batches of the step, one per task."""
        return (self, *self.other_tasks)

    @property
    def end_epoch(self) -> tuple[str, ...]:
        """The tasks that finish an epoch with the step."""
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
    ranks: Ranks = ONE,
) -> Iterator[StepBatch]:
    """The batches of each global step after `done_steps`, endlessly; a pure function of its arguments.

    Samples of `retired_tasks` are skipped, so that the others keep their relative probabilities and order.
    `probabilities` may grow meanwhile: a step uses those of `LAG` steps before it. With several `ranks` each gets its
    part of the same batches.
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
            parts.append(batch_of(task, before, number, ranks))
        yield replace(parts[0], other_tasks=tuple(parts[1:]), skipped_draws=skipped_draws)


def batch_of(task: TaskInstance, step: int, number: int, ranks: Ranks) -> StepBatch:
    """The batch of the task's step `step`, or the part of it that is for this rank."""
    whole, indices = task.batch_at(step), task.examples_at(step)[1]
    if ranks.count == 1 or not whole:
        return StepBatch(number, task, step, whole, row_indices=indices)
    part = part_of(task, whole, indices, task.rows_at(step), ranks)
    return StepBatch(number, task, step, part.batch, row_indices=part.row_indices, rank_part=part)


def _taken(
    tasks: Sequence[TaskInstance], sampler: Sampler, number: int, retired_tasks: Collection[str]
) -> Sequence[TaskInstance]:
    """The tasks of the `number`-th sample of `sampler`, without retired ones."""
    return [tasks[index] for index in sampler.tasks_at(number) if tasks[index].name not in retired_tasks]


def prefetched(source: Iterator[StepBatch]) -> Generator[tuple[StepBatch, float], None, None]:
    """The items of `source`, in order, with the seconds that each was waited for.

    An error of `source` is raised in place of its item. The thread ends with this generator: close it.
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
