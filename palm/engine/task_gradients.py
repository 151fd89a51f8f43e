"""Per-task gradients, until a gradient method combines them into one update."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import paddle
from paddle import Tensor

from palm.balancing.gradients.base import FloatArray, GradientMethod
from palm.distributed.ranks import ONE, Ranks
from palm.engine.model import MultiTaskModel
from palm.engine.no_grad import without_gradients
from palm.engine.optim.freezing import layer_of
from palm.engine.optim.gradient_sums import summed
from palm.engine.task_instance import TaskInstance
from palm.randomness import philox

Gradients = Mapping[str, Tensor]

TaskSums = tuple[dict[str, dict[str, Tensor]], dict[str, int]]
"""Sums of gradients by task and parameter, and the number of batches of each task."""

PREFIX = "tasks."
_SHARED = "backbone."
_COUNT = "batches"


class TaskGradients:
    """Accumulates the gradients of each task's batches since the last update.

    The shared encoder gets the method's combination of the tasks' mean gradients; a head gets its own, summed over the
    tasks that share it. Memory: one gradient of the whole encoder per task.

    Args:
        method: The gradient method.
        tasks: Names of the tasks that take part.
        batches: Number of batches of each task per update.
        seed: The run's seed.
    """

    def __init__(self, method: GradientMethod, tasks: Sequence[str], *, batches: int, seed: int) -> None:
        self._method = method
        self._tasks = tuple(tasks)
        self._batches = batches
        self._seed = seed
        self._sums: dict[str, dict[str, Tensor]] = {}
        self._counts: dict[str, int] = {}

    def complete(self, retired_tasks: Collection[str] = ()) -> bool:
        """Whether every active task has had its batches."""
        waited_for = [task for task in self._tasks if task not in retired_tasks]
        return all(self._counts.get(task, 0) >= self._batches for task in waited_for)

    @property
    def pending(self) -> bool:
        """Whether there are gradients of batches since the last update."""
        return any(self._counts.values())

    @without_gradients
    def add(self, task: str, gradients: Gradients) -> None:
        """Add the gradients of a batch of `task`."""
        known = self._sums.setdefault(task, {})
        for name, gradient in gradients.items():
            known[name] = known[name] + gradient if name in known else gradient.clone()
        self._counts[task] = self._counts.get(task, 0) + 1

    @without_gradients
    def take(self, step: int, ranks: Ranks = ONE) -> dict[str, Tensor]:
        """The gradients of the update after global step `step`, by parameter name; then clear all of them.

        Args:
            step: The number of the step.
            ranks: The processes that each have the gradients of a part of the batches.
        """
        self.sum_over(ranks)
        tasks = [task for task in self._tasks if task in self._sums]
        means = [{name: total / self._counts[task] for name, total in self._sums[task].items()} for task in tasks]
        self.clear()
        if not tasks:
            return {}
        order = philox(self._seed, "gradient method", step)
        weights = np.ones(1) if len(tasks) == 1 else self._method.weights(inner_products(means), order)
        combined: dict[str, Tensor] = {}
        for weight, gradients in zip(weights.tolist(), means, strict=True):
            for name, gradient in gradients.items():
                part = gradient * weight if name.startswith(_SHARED) else gradient
                combined[name] = combined[name] + part if name in combined else part
        return combined

    def sum_over(self, ranks: Ranks) -> None:
        """Replace the gradients by their sums over all processes, in one message."""
        if ranks.count > 1:
            holders = [(sums, name) for _, sums in sorted(self._sums.items()) for name in sums]
            totals = summed([sums[name] for sums, name in holders], ranks)
            for (sums, name), total in zip(holders, totals, strict=True):
                sums[name] = total

    def copied(self) -> TaskSums:
        """All sums as they are now, for `reset`: `add` replaces tensors, and does not change them."""
        return {task: dict(gradients) for task, gradients in self._sums.items()}, dict(self._counts)

    def reset(self, before: TaskSums) -> None:
        """Go back to sums of before."""
        self._sums, self._counts = before

    def clear(self) -> None:
        """Clear all gradients."""
        self._sums, self._counts = {}, {}

    def state(self) -> dict[str, Tensor]:
        """All gradients, under names that start with `tasks.`."""
        state = {}
        for task, gradients in self._sums.items():
            state[f"{PREFIX}{task}.{_COUNT}"] = paddle.to_tensor([self._counts[task]], dtype="int64")
            state |= {f"{PREFIX}{task}.{name}": gradient for name, gradient in gradients.items()}
        return state

    def restore(self, state: Gradients) -> None:
        """Continue from a saved state."""
        self.clear()
        for key, tensor in state.items():
            task, _, name = key.removeprefix(PREFIX).partition(".")
            if name == _COUNT:
                self._counts[task] = int(tensor.numpy().item())
            else:
                self._sums.setdefault(task, {})[name] = tensor


def inner_products(gradients: Sequence[Gradients]) -> FloatArray:
    """Inner products of the tasks' gradients on the shared encoder: float64[task task]. Missing gradients are 0."""
    products = np.zeros((len(gradients), len(gradients)))
    for row, one in enumerate(gradients):
        for column, other in enumerate(gradients[: row + 1]):
            shared = [name for name in one if name.startswith(_SHARED) and name in other]
            dots = [paddle.dot(one[name].flatten(), other[name].flatten()) for name in shared]
            total = float(paddle.stack(dots).astype("float64").sum()) if dots else 0.0
            products[row, column] = products[column, row] = total
    return products


class SharedLayerGradients:
    """Measures the norm of each task's gradient in a step, one task after the other.

    Args:
        model: The model with the layer.
        tasks: The tasks that share it.
        ranks: The processes that each compute a part of a batch.
    """

    def __init__(self, model: MultiTaskModel, tasks: Sequence[TaskInstance], ranks: Ranks = ONE) -> None:
        self._ranks = ranks
        depth = model.backbone_config.num_hidden_layers
        last = min(task.paradigm.config.last_shared_layer(depth, task.settings.layer) for task in tasks)
        layers = {name: layer for name, _ in model.named_parameters() if (layer := layer_of(name)) is not None}
        last = max((layer for layer in layers.values() if layer <= last), default=last)  # layers may share parameters
        self._parameters: dict[str, Tensor] = {
            name: parameter for name, parameter in model.named_parameters() if layers.get(name) == last
        }
        self._before: dict[str, Tensor] = {}
        self._norms: dict[str, float] = {}

    @without_gradients
    def begin(self) -> None:
        """Store the gradients before a batch runs backward."""
        self._before = {name: gradient.clone() for name, gradient in self._gradients().items()}

    @without_gradients
    def end(self, task: str, factor: float) -> None:
        """Store the norm of the batch's contribution, divided by `factor`; no effect while the layer is frozen."""
        found = self._gradients()
        added = [
            gradient - self._before[name] if name in self._before else gradient.clone()
            for name, gradient in found.items()
        ]
        squares = sum(float(each.astype("float64").square().sum()) for each in summed(added, self._ranks))
        if found:
            self._norms[task] = squares**0.5 / factor

    def taken(self) -> dict[str, float]:
        """Return and clear the norms of the step, by task."""
        norms, self._norms = self._norms, {}
        return norms

    def _gradients(self) -> dict[str, Tensor]:
        return {name: parameter.grad for name, parameter in self._parameters.items() if parameter.grad is not None}
