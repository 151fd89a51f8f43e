"""How long a run is: the expected steps of each target, and the span of the learning rate's schedule."""

from collections.abc import Callable, Sequence

from palm.balancing.sampling import EveryTaskSampler
from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerConfig
from palm.engine.task_instance import TaskInstance
from palm.registry import Registry
from palm.schema.settings import TrainSettings


def main_task(tasks: Sequence[TaskInstance]) -> TaskInstance:
    """The first target: num_epochs counts its epochs."""
    return next(task for task in tasks if task.settings.target)


def build_sampler(tasks: Sequence[TaskInstance], settings: TrainSettings) -> Sampler:
    """The sampler that the keys `mode` and `sampling` name."""
    if settings.mode == "joint":
        ratios = [task.settings.mix_ratio for task in tasks]
        per_epoch = main_task(tasks).steps_per_epoch
        return EveryTaskSampler(ratios, seed=settings.random_seed, steps_per_epoch=per_epoch)
    mix = SamplerConfig(
        mix_ratios=[task.settings.mix_ratio for task in tasks],
        batches=[task.steps_per_epoch for task in tasks],
        seed=settings.random_seed,
        temperature=settings.sampling_temperature,
        cap=settings.sampling_cap,
        num_epochs=settings.num_epochs,
        max_steps=settings.max_steps,
        by=settings.sampling_by,
        floor=settings.sampling_floor,
    )
    return SAMPLERS[settings.sampling].from_mix(mix)


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


def global_steps(tasks: Sequence[TaskInstance], settings: TrainSettings) -> int:
    """Expected global steps of the run, which warm-up and decay of the learning rate span."""
    epoch_steps = build_sampler(tasks, settings).epoch_steps
    steps = expected_steps(tasks, settings.num_epochs, epoch_steps).values()
    total = max(steps) if settings.mode == "joint" else sum(steps)
    return total if settings.max_steps is None else min(total, settings.max_steps)


def _is_target(tasks: Sequence[TaskInstance], name: str) -> bool:
    return any(task.name == name and task.settings.target for task in tasks)


ScheduleFactor = Callable[[int, int, int], float]
"""`schedule(step, warmup_steps, total_steps)`: factor in 0..1 for `step`, counted from 1."""

LR_SCHEDULES: Registry[ScheduleFactor] = Registry("lr_scheduler")


def _warmup(step: int, warmup_steps: int) -> float:
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0


@LR_SCHEDULES.register("linear")
def linear(step: int, warmup_steps: int, total_steps: int) -> float:
    """Linear warm-up to 1, then linear decay that reaches 0 just after the last step (BERT, arXiv:1810.04805, A.2)."""
    if step <= warmup_steps:
        return _warmup(step, warmup_steps)
    return max(0.0, (total_steps - step + 1) / max(1, total_steps - warmup_steps))


@LR_SCHEDULES.register("constant")
def constant(step: int, warmup_steps: int, total_steps: int) -> float:
    """Linear warm-up to 1, then 1."""
    return _warmup(step, warmup_steps)


def learning_rate_at(step: int, settings: TrainSettings, total_steps: int) -> float:
    """The learning rate of global step `step`, counted from 1."""
    warmup_steps = int(settings.warmup_proportion * total_steps)
    return settings.learning_rate * LR_SCHEDULES[settings.lr_scheduler](step, warmup_steps, total_steps)
