"""The length of a run: expected steps of each target, and global steps until all targets reach theirs."""

from collections.abc import Mapping, Sequence

from palm.balancing.sampling import SAMPLERS, EveryTaskSampler, Sampler, SamplerFields, TaskMixture
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem
from palm.schema.settings import TrainSettings

_PATIENCE = 1000
"""Limit of a run's length, as a multiple of the expected one; longer runs count as endless."""


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

    A sampler's own `epoch_steps` replace the last two factors.

    A target is exported at exactly that step. The number of an auxiliary task only affects the run's length.
    """
    if epoch_steps is None:
        per_epoch = main_task(tasks).steps_per_epoch
        steps = {task.name: int(num_epochs * task.settings.mix_ratio * per_epoch) for task in tasks}
    else:
        # The factors are rounded floats: 11.999999999999998 steps are 12.
        steps = {task.name: int(num_epochs * own + 1e-6) for task, own in zip(tasks, epoch_steps, strict=True)}
    return {name: max(1, count) if _is_target(tasks, name) else count for name, count in steps.items()}


def global_steps(tasks: Sequence[TaskInstance], settings: TrainSettings, sampler: Sampler) -> int:
    """Global steps of the run, which warm-up and decay of the learning rate span.

    A sampler is a pure function of seed and step, so the step at which the last target reaches its expected steps is
    known before training, by counting samples. By mix ratio it is later than the sum of the expected steps, as some
    tasks are sampled more often than expected before the last target finishes. With an adaptive sampler, the run ends
    after that sum. Early stopping may end it earlier.
    """
    expected = expected_steps(tasks, settings.num_epochs, sampler.epoch_steps)
    limit = settings.max_steps
    if sampler.adapts:
        total = sum(expected.values())
        return total if limit is None else min(total, limit)
    targets = {task.name: expected[task.name] for task in tasks if task.settings.target}
    names = [task.name for task in tasks]
    return _count(names, targets, sampler, limit=limit, retire=settings.leave_mix_when_finished)


def _count(
    names: Sequence[str], targets: Mapping[str, int], sampler: Sampler, *, limit: int | None, retire: bool
) -> int:
    """Steps until each of `targets` has been sampled as often as expected, or until `limit`.

    Args:
        names: All tasks, in the sampler's order.
        targets: Expected steps of each target.
        sampler: Samples the tasks of each step.
        limit: Largest number of steps to count.
        retire: Whether finished targets are excluded from later steps; a step is then the next sample with an active
            task.

    Raises:
        ConfigError: The sampler does not reach a target.
    """
    open_targets = dict(targets)
    most = _PATIENCE * (sum(targets.values()) + _PATIENCE)
    retired: set[str] = set()
    step = choice = 0
    while open_targets and (limit is None or step < limit):
        choice += 1
        if choice > most:
            rule = "a sampler must sample every target repeatedly, or a run would never end."
            found = f"Found one that left {', '.join(open_targets)} unfinished after {most} choices."
            raise ConfigError(Problem("sampling", f"{rule} {found} Raise mix_ratio, or choose another sampler."))
        taken = [names[index] for index in sampler.tasks_at(choice) if names[index] not in retired]
        step += bool(taken)
        for name in taken:
            if name in open_targets:
                open_targets[name] -= 1
                if not open_targets[name]:
                    del open_targets[name]
                    retired |= {name} if retire else set()
    return step


def _is_target(tasks: Sequence[TaskInstance], name: str) -> bool:
    return any(task.name == name and task.settings.target for task in tasks)
