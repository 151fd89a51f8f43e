"""The methods of a run: the keys of its sampler, weighting or gradient method, optimizer and schedule."""

from collections.abc import Sequence
from dataclasses import dataclass

from palm.balancing.gradients import GRADIENT_METHODS, GradientFields, GradientMethod
from palm.balancing.sampling import SamplerFields
from palm.balancing.weighting import WEIGHTINGS, FixedWeighting, TaskLosses, Weighting, WeightingFields
from palm.engine.optim import SCHEDULES, LearningRateSchedule, OptimizerFields, ScheduleFields
from palm.engine.task_instance import TaskInstance
from palm.schema.settings import TrainSettings


@dataclass(frozen=True)
class Methods:
    """Keys of the components that `TrainSettings` names, each an instance of the component's `Config`.

    Attributes:
        sampler: That of the key `sampling`.
        weighting: That of the key `weighting`, if it names a weighting; else no weighting is used.
        gradient_method: That of the key `weighting`, if it names a gradient method.
        optimizer: That of the key `optimizer`.
        schedule: That of the key `lr_scheduler`.
    """

    sampler: SamplerFields
    weighting: WeightingFields
    gradient_method: GradientFields | None
    optimizer: OptimizerFields
    schedule: ScheduleFields

    @property
    def dev_metric_keys(self) -> list[str]:
        """The keys by which the run follows the dev metrics of its tasks."""
        return [key for key in (self.weighting.dev_metric_key(), self.sampler.dev_metric_key()) if key is not None]


def build_weighting(tasks: Sequence[TaskInstance], settings: TrainSettings, methods: Methods) -> Weighting:
    """The weighting that the key `weighting` names; with a gradient method, the fixed one."""
    losses = TaskLosses(frozenset(task.name for task in tasks if task.paradigm.squared_error))
    chosen = FixedWeighting if methods.gradient_method is not None else WEIGHTINGS[settings.weighting]
    return chosen(methods.weighting, losses)


def build_gradient_method(settings: TrainSettings, methods: Methods) -> GradientMethod | None:
    """The gradient method that the key `weighting` names, if any."""
    config = methods.gradient_method
    return None if config is None else GRADIENT_METHODS[settings.weighting](config)


def build_schedule(settings: TrainSettings, methods: Methods) -> LearningRateSchedule:
    """The schedule that the key `lr_scheduler` names."""
    return SCHEDULES[settings.lr_scheduler](methods.schedule)
