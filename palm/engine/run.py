"""A run of the training loop: what it works on, where it stands, what its steps give."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from palm.balancing.history import History, TaskHistory
from palm.balancing.sampling.base import Sampler
from palm.balancing.weighting import Weighting
from palm.engine.batches import SamplingProbabilities
from palm.engine.early_stopping import EarlyStops
from palm.engine.methods import Methods, build_gradient_method, build_schedule, build_weighting
from palm.engine.model import MultiTaskModel
from palm.engine.optim import LearningRateSchedule
from palm.engine.optim.optimizer import Optimizer
from palm.engine.optim.weight_average import WeightAverage
from palm.engine.run_data import Described, describe_data
from palm.engine.schedule import expected_steps
from palm.engine.selection import BestSoFar
from palm.engine.task_gradients import SharedLayerGradients, TaskGradients
from palm.engine.task_instance import TaskInstance
from palm.schema.settings import TrainSettings


@dataclass
class Progress:
    """Where a run stands; together with weights and slots this is all the state it has.

    Attributes:
        global_step: Steps done.
        task_steps: Steps done of each task.
        best: The best evaluations so far.
        history: What is known about each task.
        stops: What has stopped early.
        skipped_draws: Samples of retired tasks, which no step trained.
        sampling_probabilities: Those of the tasks after each of the last steps, where the sampler adapts them.
    """

    global_step: int = 0
    task_steps: dict[str, int] = field(default_factory=dict)
    best: BestSoFar = field(default_factory=BestSoFar)
    history: History = field(default_factory=dict)
    stops: EarlyStops = field(default_factory=EarlyStops)
    skipped_draws: int = 0
    sampling_probabilities: SamplingProbabilities = field(default_factory=dict)


@dataclass(frozen=True)
class StepResult:
    """What one step did.

    Attributes:
        global_step: Number of the step, from 1.
        task: Name of the task that was trained.
        step: Its step within its epoch, from 1.
        steps_per_epoch: Its steps an epoch.
        epoch: Its epoch, from 0.
        loss: Mean loss of the batch, before loss_weight.
        learning_rate: The rate of this step.
        seconds: How long the step took.
        data_wait: Seconds of them that the step waited for its batch.
        fault: What was not finite in this step, and where; the model was not updated with it.
        finished: Names of the targets that reached their last step now, to be exported.
        last: Whether the run ends here.
        loss_factor: What the weighting multiplied the loss with, beside loss_weight.
        beside: What a joint step did with the other tasks; what is said of the whole step stands in the first alone.
        normalised_loss: The loss over that of the task's first batch; None where that was nothing.
        trained: Whether anything was; not in a joint step of which no row has a label of a task that is still trained.
        end_epoch: Tasks whose epoch ends with the whole step, also those that no row of it has a label of.
    """

    global_step: int
    task: str
    step: int
    steps_per_epoch: int
    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    data_wait: float
    fault: str | None
    finished: tuple[str, ...]
    last: bool
    loss_factor: float = 1.0
    other_tasks: tuple["StepResult", ...] = ()
    normalised_loss: float | None = None
    trained: bool = True
    end_epoch: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple["StepResult", ...]:
        """What the step did with each task that it trained."""
        return (self, *self.other_tasks)


@dataclass(frozen=True)
class TrainingRun:
    """Everything that a run of the loop works on.

    Attributes:
        model: Backbone and heads.
        tasks: The task instances, in the order of their mix ratios.
        sampler: Draws the task of each step.
        optimizer: Updates the model.
        average: Weight average to keep, if any.
        settings: The global training keys.
        methods: The keys of the components that these name.
        progress: Where the run stands; the loop moves it on.
        total_steps: Its global steps: see `palm.engine.schedule.global_steps`.
        schedule: Factor of the learning rate at each global step, counted from 1; that of the settings when None.
    """

    model: MultiTaskModel
    tasks: Sequence[TaskInstance]
    sampler: Sampler
    optimizer: Optimizer
    average: WeightAverage | None
    settings: TrainSettings
    methods: Methods
    progress: Progress
    total_steps: int
    schedule: Callable[[int], float] | None = None

    @cached_property
    def targets(self) -> Mapping[str, int]:
        """Expected steps of each target; where the sampler adapts, the steps of the run, at whose end all are done."""
        if self.sampler.adapts:
            return {task.name: self.total_steps for task in self.tasks if task.settings.target}
        expected = expected_steps(self.tasks, self.settings.num_epochs, self.sampler.epoch_steps)
        return {task.name: expected[task.name] for task in self.tasks if task.settings.target}

    @cached_property
    def data(self) -> Described:
        """What the run's checkpoints know about its data."""
        return describe_data(self.tasks)

    @cached_property
    def weighting(self) -> Weighting:
        """What the key `weighting` names."""
        return build_weighting(self.tasks, self.settings, self.methods)

    @cached_property
    def shared_layer(self) -> SharedLayerGradients | None:
        """Where the norms of the tasks' gradients are measured, if the weighting learns from them."""
        if not self.weighting.needs_norms:
            return None
        return SharedLayerGradients(self.model, [task for task in self.tasks if task.settings.mix_ratio > 0])

    @cached_property
    def task_gradients(self) -> TaskGradients | None:
        """Where the gradients of each task are kept apart, if the key `weighting` names a gradient method."""
        method = build_gradient_method(self.settings, self.methods)
        if method is None:
            return None
        return TaskGradients(
            method,
            [task.name for task in self.tasks if task.settings.mix_ratio > 0],
            batches=self.settings.gradient_accumulation_steps,
            seed=self.settings.random_seed,
        )

    @cached_property
    def lr_schedule(self) -> LearningRateSchedule:
        """What the key `lr_scheduler` names."""
        return build_schedule(self.settings, self.methods)

    @property
    def history(self) -> History:
        """What is known about each task, in the order of the tasks."""
        known = self.progress.history
        return {task.name: known.setdefault(task.name, TaskHistory()) for task in self.tasks}

    def loss_factor(self, task: TaskInstance) -> float:
        """What the weighting multiplies the loss of `task` with now."""
        return self.weighting.factors(self.history)[task.name]

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The targets that have neither done their expected steps nor stopped early."""
        steps, stopped = self.progress.task_steps, self.progress.stops.tasks
        open_ = (name for name, count in self.targets.items() if steps.get(name, 0) < count)
        return tuple(name for name in open_ if name not in stopped)

    @property
    def retired_tasks(self) -> frozenset[str]:
        """The tasks that are not trained any more."""
        return frozenset(set(self.targets) - set(self.unfinished) if self.settings.leave_mix_when_finished else ())

    @property
    def finished(self) -> bool:
        """Whether every target is finished, max_steps are done, or the run has stopped early."""
        return _stopped(self) or self.progress.stops.run is not None or not self.unfinished

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of global step `step`, counted from 1."""
        factor = self.schedule(step) if self.schedule else self.lr_schedule.factor(step, self.total_steps)
        return self.settings.learning_rate * factor


def _stopped(run: TrainingRun) -> bool:
    last = run.total_steps if run.sampler.adapts else run.settings.max_steps
    return last is not None and run.progress.global_step >= last
