"""What computes the outputs of heads for a batch: PALM's own kernels, or another runtime."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from palm.data.dataset import Batch
from palm.engine.model import MultiTaskModel
from palm.engine.predict import Compute, computation
from palm.engine.task_instance import TaskInstance
from palm.inference.precision import Chosen, PredictionPrecision
from palm.paradigm.base import Outputs
from palm.spec import Phase


class Runtime(Protocol):
    """Computes heads. One object serves several threads.

    Attributes:
        name: Its name, as in `palm.load(…, runtime=name)`.
    """

    name: str

    def outputs(self, tasks: Sequence[TaskInstance], batch: Batch, phase: Phase) -> list[Outputs]:
        """The outputs of each task's head for one batch; the encoder runs once for all tasks that can share it.

        Args:
            tasks: The tasks.
            batch: The fields of the batch that the encoder and these heads read.
            phase: Purpose of the pass.
        """
        ...

    def precision(self, task: str) -> str:
        """The precision of predictions of `task` in words: `predicts in float32`."""
        ...


class PalmRuntime:
    """PALM's own kernels.

    Args:
        model: The encoder and the heads.
        precisions: The precision of each task; tasks of different precisions do not share a pass of the encoder.
    """

    name = "palm"

    def __init__(self, model: MultiTaskModel, precisions: Mapping[str, PredictionPrecision]) -> None:
        self.model = model
        self._precisions = precisions
        self._computations = {task: computation(model, precision) for task, precision in precisions.items()}

    def outputs(self, tasks: Sequence[TaskInstance], batch: Batch, phase: Phase) -> list[Outputs]:
        """The outputs of each task's head for one batch."""
        return [outputs for outputs, _ in self.compute(tasks, batch, phase)]

    def compute(self, tasks: Sequence[TaskInstance], batch: Batch, phase: Phase) -> list[tuple[Outputs, float | None]]:
        """The same, each with its mean loss in evaluation if the batch has gold."""
        groups: dict[Chosen, list[int]] = {}
        for index, task in enumerate(tasks):
            groups.setdefault(self._precisions[task.name].choose(batch), []).append(index)
        found: dict[int, tuple[Outputs, float | None]] = {}
        for group in groups.values():
            members = [tasks[index] for index in group]
            compute = self._computations[members[0].name]
            found |= zip(group, compute(members, batch, phase), strict=True)
        return [found[index] for index in range(len(tasks))]

    def precision(self, task: str) -> str:
        """The precision of predictions of `task` in words."""
        return self._precisions[task].description


def compute_with(runtime: Runtime) -> Compute:
    """The computation of `runtime`; only PALM's own computes losses."""
    if isinstance(runtime, PalmRuntime):
        return runtime.compute

    def compute(tasks: Sequence[TaskInstance], batch: Batch, phase: Phase) -> list[tuple[Outputs, float | None]]:
        return [(outputs, None) for outputs in runtime.outputs(tasks, batch, phase)]

    return compute
