"""Cosines between the tasks' gradients on the shared encoder."""

import math
from collections.abc import Sequence
from itertools import combinations

from paddle import Tensor

from palm.engine.batches import StepBatch, batch_of
from palm.engine.optim.gradient_sums import summed
from palm.engine.regularizers.smart import let_run_backward
from palm.engine.run import TrainingRun
from palm.engine.shared_state import seeded
from palm.engine.task_instance import TaskInstance
from palm.kernels.batch_position import at_position
from palm.randomness import philox
from palm.storage.layout import PAIR


def gradient_cosines(run: TrainingRun) -> dict[str, float]:
    """The cosine of each pair of tasks, `a~b`, over the encoder's parameters; the run is not changed.

    Each task's gradient is that of its next batch, without dropout in the encoder, before loss_weight. A pair
    with a missing gradient is omitted, and so is a task without labels for the rows of its next step.
    Source: arXiv:1812.02224, section 3.
    """
    pending = {name: gradient.clone() for name, gradient in run.optimizer.gradients().items()}
    run.model.eval()  # no dropout in the encoder; an LSTM only runs backward in training mode
    let_run_backward(run.model)
    batches = [(task, _next_batch(run, task)) for task in run.tasks if task.train is not None]
    gradients = {task.name: _gradient(run, task, part) for task, part in batches if part.batch}
    run.optimizer.set_gradients(pending)
    found = {f"{a}{PAIR}{b}": cosine(gradients[a], gradients[b]) for a, b in combinations(gradients, 2)}
    return {pair: value for pair, value in found.items() if value is not None}


def cosine(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> float | None:
    """The cosine of two gradients, with one tensor per parameter (None counts as zero); None if one is zero."""
    dot = sum(float((a * b).sum()) for a, b in zip(one, other, strict=True) if a is not None and b is not None)
    length = math.sqrt(_square(one) * _square(other))
    return dot / length if length else None


def _next_batch(run: TrainingRun, task: TaskInstance) -> StepBatch:
    step = run.progress.task_steps.get(task.name, 0)
    return batch_of(task, step, run.progress.global_step + 1, run.ranks)


def _gradient(run: TrainingRun, task: TaskInstance, part: StepBatch) -> list[Tensor | None]:
    run.optimizer.drop_gradients()
    step = run.progress.global_step  # heads may have dropout nevertheless
    seed = int(philox(run.settings.random_seed, "gradient cosines", step).integers(2**31))
    with seeded(seed), at_position(part.rank_part.position if part.rank_part else None):
        (run.model.loss(task, part.batch, factors=part.factors) * part.share).backward()
    shared = [each for name, each in run.model.named_parameters() if name.startswith("backbone.")]
    found = [each.grad for each in shared]
    totals = iter(summed([gradient for gradient in found if gradient is not None], run.ranks))
    return [None if gradient is None else next(totals).clone() for gradient in found]


def _square(gradient: Sequence[Tensor | None]) -> float:
    return sum(float((part * part).sum()) for part in gradient if part is not None)
