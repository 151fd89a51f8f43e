"""The training loop: a generator of step results. Callers log, evaluate, export and save."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import paddle

from palm.config.schema import TrainSettings
from palm.dataset import Batch
from palm.engine.ema import WeightAverage
from palm.engine.feed import Draw, draws, prefetched
from palm.engine.lr_sched import learning_rate_at
from palm.engine.model import MultiTaskModel
from palm.engine.optimizer import Optimizer
from palm.engine.schedule import expected_steps, global_steps
from palm.randomness import philox
from palm.sampling.base import Sampler
from palm.task_instance import TaskInstance


@dataclass
class Progress:
    """Where a run stands; together with weights and slots this is all the state it has.

    Attributes:
        global_step: Steps done.
        task_steps: Steps done of each task.
    """

    global_step: int = 0
    task_steps: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StepResult:
    """What one step did.

    Attributes:
        global_step: Number of the step, from 1.
        task: Name of the task that was trained.
        step: Its step within its epoch, from 1.
        steps_per_epoch: Its steps an epoch.
        epoch: Its epoch, from 0.
        loss: Mean loss of the batch, before loss_weight.
        learning_rate: The rate of this step.
        seconds: How long the step took.
        data_wait: Seconds of them that the step waited for its batch.
        finished: Names of the targets that reached their last step now, to be exported.
        last: Whether the run ends here.
    """

    global_step: int
    task: str
    step: int
    steps_per_epoch: int
    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    data_wait: float
    finished: tuple[str, ...]
    last: bool

    @property
    def ends_epoch(self) -> bool:
        """Whether the task has seen its training examples once more."""
        return self.step == self.steps_per_epoch


@dataclass(frozen=True)
class TrainingRun:
    """Everything that a run of the loop works on.

    Attributes:
        model: Backbone and heads.
        tasks: The task instances, in the order of their mix ratios.
        sampler: Draws the task of each step.
        optimizer: Updates the model.
        average: Weight average to keep, if any.
        settings: The global training keys.
        progress: Where the run stands; the loop moves it on.
    """

    model: MultiTaskModel
    tasks: Sequence[TaskInstance]
    sampler: Sampler
    optimizer: Optimizer
    average: WeightAverage | None
    settings: TrainSettings
    progress: Progress


def train_steps(run: TrainingRun) -> Iterator[StepResult]:
    """Train until every target has done its expected steps (or max_steps are done); yield after each step.

    Each step draws one task, takes its next mini-batch, and updates the backbone and that task's head. Batches are made
    ahead by a thread that ends with this generator.
    """
    done = run.progress
    source = draws(run.tasks, run.sampler, done_steps=done.global_step, task_steps=done.task_steps)
    with closing(prefetched(source)) as feed:
        yield from _steps(run, feed)


def _steps(run: TrainingRun, feed: Iterator[tuple[Draw, float]]) -> Iterator[StepResult]:
    expected = expected_steps(run.tasks, run.settings.num_epochs)
    targets = {task.name: expected[task.name] for task in run.tasks if task.settings.target}
    total = global_steps(run.tasks, run.settings)
    steps = run.progress.task_steps
    for task in run.tasks:
        steps.setdefault(task.name, 0)
    while any(steps[name] < count for name, count in targets.items()) and not _stopped(run):
        started = time.perf_counter()
        draw, data_wait = next(feed)
        number, task = draw.global_step, draw.task
        epoch, position = task.epoch_at(draw.task_step)
        learning_rate = learning_rate_at(number, run.settings, total)
        loss = _train_batch(run, task, number, draw.batch)
        steps[task.name] += 1
        run.progress.global_step = number
        reached = tuple(name for name in (task.name,) if steps[name] == targets.get(name))
        unfinished = tuple(name for name, count in targets.items() if steps[name] < count)
        last = not unfinished or _stopped(run)
        if last or number % run.settings.gradient_accumulation_steps == 0:
            _update(run, learning_rate)
        yield StepResult(
            global_step=number,
            task=task.name,
            step=position + 1,
            steps_per_epoch=task.steps_per_epoch,
            epoch=epoch,
            loss=loss,
            learning_rate=learning_rate,
            seconds=time.perf_counter() - started,
            data_wait=data_wait,
            finished=reached + unfinished if last else reached,
            last=last,
        )


def _stopped(run: TrainingRun) -> bool:
    return run.settings.max_steps is not None and run.progress.global_step >= run.settings.max_steps


def _train_batch(run: TrainingRun, task: TaskInstance, number: int, batch: Batch) -> float:
    """Forward and backward of one batch; the gradients stay on the parameters."""
    # Dropout depends on the step alone, not on what ran before it: that makes resume exact.
    paddle.seed(int(philox(run.settings.random_seed, "dropout", number).integers(2**31)))
    run.model.train()
    loss = run.model.loss(task, batch)
    (loss * (task.settings.loss_weight / run.settings.gradient_accumulation_steps)).backward()
    return float(loss)


def _update(run: TrainingRun, learning_rate: float) -> None:
    run.optimizer.step(learning_rate)
    if run.average is not None:
        run.average.update()
