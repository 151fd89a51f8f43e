"""How long a run is: the expected steps of each target, and the span of the learning rate's schedule."""

from collections.abc import Sequence

from palm.config.schema import TrainSettings
from palm.task_instance import TaskInstance


def main_task(tasks: Sequence[TaskInstance]) -> TaskInstance:
    """The first target: num_epochs counts its epochs."""
    return next(task for task in tasks if task.settings.target)


def expected_steps(tasks: Sequence[TaskInstance], num_epochs: float) -> dict[str, int]:
    """Steps that each task is expected to train, `int(num_epochs * mix_ratio * steps_per_epoch(main task))`.

    A target is exported at exactly that step. An auxiliary task's figure only counts towards the run's length.
    """
    per_epoch = main_task(tasks).steps_per_epoch
    steps = {task.name: int(num_epochs * task.settings.mix_ratio * per_epoch) for task in tasks}
    return {name: max(1, count) if _is_target(tasks, name) else count for name, count in steps.items()}


def global_steps(tasks: Sequence[TaskInstance], settings: TrainSettings) -> int:
    """Expected global steps of the run, which warm-up and decay of the learning rate span."""
    total = sum(expected_steps(tasks, settings.num_epochs).values())
    return total if settings.max_steps is None else min(total, settings.max_steps)


def _is_target(tasks: Sequence[TaskInstance], name: str) -> bool:
    return any(task.name == name and task.settings.target for task in tasks)
