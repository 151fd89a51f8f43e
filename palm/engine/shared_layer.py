"""How long each task's gradient is on the last encoder layer that all tasks share."""

from collections.abc import Sequence

import paddle
from paddle import Tensor

from palm.engine.model import MultiTaskModel
from palm.engine.optim.freezing import layer_of
from palm.task_instance import TaskInstance


class SharedLayer:
    """Measures the gradients that the batches of a step add, one task after the other.

    Args:
        model: Has the layer.
        tasks: Those that share it.
    """

    def __init__(self, model: MultiTaskModel, tasks: Sequence[TaskInstance]) -> None:
        depth = model.sizes.num_hidden_layers
        last = min(task.paradigm.config.last_shared_layer(depth, task.settings.layer) for task in tasks)
        self._parameters: dict[str, Tensor] = {
            name: parameter for name, parameter in model.named_parameters() if layer_of(name) == last
        }
        self._before: dict[str, Tensor] = {}
        self._norms: dict[str, float] = {}

    @paddle.no_grad()
    def begin(self) -> None:
        """Remember what is there before a batch runs backward."""
        self._before = {name: gradient.clone() for name, gradient in self._gradients().items()}

    @paddle.no_grad()
    def end(self, task: str, factor: float) -> None:
        """Note the norm of what the batch added, divided by `factor`; nothing while the layer does not train."""
        squares = 0.0
        found = self._gradients()
        for name, gradient in found.items():
            added = gradient - self._before[name] if name in self._before else gradient
            squares += float(added.astype("float64").square().sum())
        if found:
            self._norms[task] = squares**0.5 / factor

    def taken(self) -> dict[str, float]:
        """The norms of the step, by task; they are then forgotten."""
        norms, self._norms = self._norms, {}
        return norms

    def _gradients(self) -> dict[str, Tensor]:
        return {name: parameter.grad for name, parameter in self._parameters.items() if parameter.grad is not None}
