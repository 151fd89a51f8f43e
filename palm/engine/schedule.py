"""How long a run is: the expected steps of each target, and of all."""

from collections.abc import Sequence

from palm.balancing.sampling import SAMPLERS, EveryTaskSampler, Sampler, SamplerFields, TaskMixture
from palm.engine.task_instance import TaskInstance
from palm.schema.settings import TrainSettings


def main_task(tasks: Sequence[TaskInstance]) -> TaskInstance:
    """The first target: num_epochs counts its epochs."""
    return next(task for task in tasks if task.settings.target)


def build_sampler(tasks: Sequence[TaskInstance], settings: TrainSettings, config: SamplerFields) -> Sampler:
    """The sampler that the keys `mode` and `sampling` name.

    Args:
        tasks: The tasks to choose from.
        settings: The keys of training.
        config: The keys of the sampler.
    """
    mixture = TaskMixture(
        mix_ratios=[task.settings.mix_ratio for task in tasks],
        batches=[task.steps_per_epoch for task in tasks],
        seed=settings.random_seed,
        num_epochs=settings.num_epochs,
        max_steps=settings.max_steps,
    )
    if settings.mode == "joint":
        return EveryTaskSampler(mixture, steps_per_epoch=main_task(tasks).steps_per_epoch)
    return SAMPLERS[settings.sampling](config, mixture)


def expected_steps(
    tasks: Sequence[TaskInstance], num_epochs: float, epoch_steps: Sequence[float] | None = None
) -> dict[str, int]:
    """Steps that each task is expected to train, `int(num_epochs * mix_ratio * steps_per_epoch(main task))`.

    A sampler that has its own `epoch_steps` says with them what takes the place of the last two factors.

    A target is exported at exactly that step. An auxiliary task's figure only counts towards the run's length.
    """
    if epoch_steps is None:
        per_epoch = main_task(tasks).steps_per_epoch
        steps = {task.name: int(num_epochs * task.settings.mix_ratio * per_epoch) for task in tasks}
    else:
        # The shares are rounded floats: 11.999999999999998 steps are 12.
        steps = {task.name: int(num_epochs * own + 1e-6) for task, own in zip(tasks, epoch_steps, strict=True)}
    return {name: max(1, count) if _is_target(tasks, name) else count for name, count in steps.items()}


def global_steps(tasks: Sequence[TaskInstance], settings: TrainSettings, sampler: Sampler) -> int:
    """Expected global steps of the run, which warm-up and decay of the learning rate span."""
    steps = expected_steps(tasks, settings.num_epochs, sampler.epoch_steps).values()
    total = max(steps) if settings.mode == "joint" else sum(steps)
    return total if settings.max_steps is None else min(total, settings.max_steps)


def _is_target(tasks: Sequence[TaskInstance], name: str) -> bool:
    return any(task.name == name and task.settings.target for task in tasks)
