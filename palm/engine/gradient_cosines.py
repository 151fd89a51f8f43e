"""Cosines between the tasks' gradients on the shared encoder."""

import math
from collections.abc import Sequence
from itertools import combinations

from paddle import Tensor

from palm.data.dataset import Batch
from palm.engine.regularizers.smart import let_run_backward
from palm.engine.run import TrainingRun
from palm.engine.shared_state import seeded
from palm.engine.task_instance import TaskInstance
from palm.randomness import philox

PAIR = "~"


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
    gradients = {task.name: _gradient(run, task, batch) for task, batch in batches if batch}
    run.optimizer.set_gradients(pending)
    found = {f"{a}{PAIR}{b}": cosine(gradients[a], gradients[b]) for a, b in combinations(gradients, 2)}
    return {pair: value for pair, value in found.items() if value is not None}


def cosine(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> float | None:
    """The cosine of two gradients, with one tensor per parameter (None counts as zero); None if one is zero."""
    dot = sum(float((a * b).sum()) for a, b in zip(one, other, strict=True) if a is not None and b is not None)
    length = math.sqrt(_square(one) * _square(other))
    return dot / length if length else None


def _next_batch(run: TrainingRun, task: TaskInstance) -> Batch:
    return task.batch_at(run.progress.task_steps.get(task.name, 0))


def _gradient(run: TrainingRun, task: TaskInstance, batch: Batch) -> list[Tensor | None]:
    run.optimizer.drop_gradients()
    step = run.progress.global_step  # heads may have dropout nevertheless
    with seeded(int(philox(run.settings.random_seed, "gradient cosines", step).integers(2**31))):
        run.model.loss(task, batch).backward()
    shared = [each for name, each in run.model.named_parameters() if name.startswith("backbone.")]
    return [None if each.grad is None else each.grad.clone() for each in shared]


def _square(gradient: Sequence[Tensor | None]) -> float:
    return sum(float((part * part).sum()) for part in gradient if part is not None)
