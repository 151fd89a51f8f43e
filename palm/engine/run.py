"""A run of the training loop: its components, progress, and step results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from palm.balancing.history import History, TaskHistory
from palm.balancing.sampling.base import Sampler
from palm.balancing.weighting import Weighting
from palm.distributed.ranks import ONE, Ranks
from palm.engine.batches import SamplingProbabilities
from palm.engine.early_stopping import EarlyStops
from palm.engine.early_sums import EarlySums
from palm.engine.loss_scale import LossScale
from palm.engine.methods import Methods, build_gradient_method, build_schedule, build_weighting
from palm.engine.model import MultiTaskModel
from palm.engine.optim import LearningRateSchedule
from palm.engine.optim.optimizer import Optimizer
from palm.engine.optim.weight_average import WeightAverage
from palm.engine.rank_part import RankGradients
from palm.engine.run_data import Described, describe_data
from palm.engine.schedule import expected_steps
from palm.engine.selection import BestSoFar
from palm.engine.task_gradients import SharedLayerGradients, TaskGradients
from palm.engine.task_instance import TaskInstance
from palm.kernels.precision import ChosenPrecision, Computed
from palm.schema.settings import TrainSettings


@dataclass
class Progress:
    """The progress of a run: its entire state besides weights and optimizer state.

    Attributes:
        global_step: Number of finished steps.
        task_steps: Number of finished steps of each task.
        best: The best evaluations so far.
        history: History of each task.
        stops: Early stops.
        skipped_draws: Samples of retired tasks, which no step trained.
        sampling_probabilities: Those of the tasks after each of the last steps, if the sampler is adaptive.
        amp: What the run computes in: `off` is float32, `bf16` products in bfloat16, `fp16` in float16.
        processes: Number of processes that a batch is for: that of the ranks with which the run was started.
        loss_scale: The factor of the loss in float16.
    """

    global_step: int = 0
    task_steps: dict[str, int] = field(default_factory=dict)
    best: BestSoFar = field(default_factory=BestSoFar)
    history: History = field(default_factory=dict)
    stops: EarlyStops = field(default_factory=EarlyStops)
    skipped_draws: int = 0
    sampling_probabilities: SamplingProbabilities = field(default_factory=dict)
    amp: Computed = "off"
    processes: int = 1
    loss_scale: LossScale = field(default_factory=LossScale)


@dataclass(frozen=True)
class StepResult:
    """The result of one step.

    Attributes:
        global_step: Number of the step, from 1.
        task: Name of the trained task.
        step: Its step within its epoch, from 1.
        steps_per_epoch: Its steps per epoch.
        epoch: Its epoch, from 0.
        loss: Mean loss of the batch, before loss_weight.
        learning_rate: Learning rate of this step.
        seconds: Duration of the step.
        data_wait: Part of it spent waiting for the batch.
        fault: Description of a non-finite loss or gradient, with which the model was not updated.
        finished: Names of the targets that finished with this step, to be exported.
        last: Whether this is the last step of the run.
        loss_factor: The weighting's factor of the loss, in addition to loss_weight.
        other_tasks: Results of a joint step's other tasks; only the first result describes the whole step.
        normalised_loss: The loss divided by that of the task's first batch; None if that was 0.
        trained: Whether any task was trained; False in a joint step without labels of active tasks.
        end_epoch: Tasks whose epoch ends with the step, including those without labels in it.
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
        """The result of each task that the step trained."""
        return (self, *self.other_tasks)


@dataclass(frozen=True)
class TrainingRun:
    """The components and state of a run of the loop.

    Attributes:
        model: Backbone and heads.
        tasks: The task instances, in the order of their mix ratios.
        sampler: Samples the task of each step.
        optimizer: Updates the model.
        average: Weight average, if any.
        settings: The global training keys.
        methods: Keys of the components that `settings` names.
        progress: Progress of the run, updated by the loop.
        total_steps: Number of its global steps: see `palm.engine.schedule.global_steps`.
        schedule: Factor of the learning rate at each global step, counted from 1; None for that of the settings.
        precision: What the key `amp` means on this machine; `progress.amp` is what the run computes in.
        ranks: The processes that train it.
        rank_gradients: What they need to know of gradients since the last update.
        early_sums: Sums gradients over the ranks during the backward pass, where that pays.
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
    precision: ChosenPrecision = field(default_factory=lambda: ChosenPrecision("off"))
    ranks: Ranks = ONE
    rank_gradients: RankGradients = field(default_factory=RankGradients)
    early_sums: EarlySums | None = None

    @cached_property
    def targets(self) -> Mapping[str, int]:
        """Expected steps of each target; with an adaptive sampler those of the run, at whose end all targets finish."""
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
        """The weighting that the key `weighting` names."""
        return build_weighting(self.tasks, self.settings, self.methods)

    @cached_property
    def shared_layer(self) -> SharedLayerGradients | None:
        """The meter of the tasks' gradient norms, if the weighting learns from them."""
        if not self.weighting.needs_norms:
            return None
        mixed = [task for task in self.tasks if task.settings.mix_ratio > 0]
        return SharedLayerGradients(self.model, mixed, self.ranks)

    @cached_property
    def task_gradients(self) -> TaskGradients | None:
        """The per-task gradients, if the key `weighting` names a gradient method."""
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
        """The schedule that the key `lr_scheduler` names."""
        return build_schedule(self.settings, self.methods)

    @property
    def history(self) -> History:
        """The history of each task, in the order of the tasks."""
        known = self.progress.history
        return {task.name: known.setdefault(task.name, TaskHistory()) for task in self.tasks}

    def loss_factor(self, task: TaskInstance) -> float:
        """The weighting's current factor of the loss of `task`."""
        return self.weighting.factors(self.history)[task.name]

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The targets that have neither reached their expected steps nor stopped early."""
        return self._unfinished_after(self.progress.task_steps)

    def _unfinished_after(self, steps: Mapping[str, int]) -> tuple[str, ...]:
        stopped = self.progress.stops.tasks
        open_ = (name for name, count in self.targets.items() if steps.get(name, 0) < count)
        return tuple(name for name in open_ if name not in stopped)

    @property
    def retired_tasks(self) -> frozenset[str]:
        """The tasks that are no longer trained."""
        return frozenset(set(self.targets) - set(self.unfinished) if self.settings.leave_mix_when_finished else ())

    @property
    def finished(self) -> bool:
        """Whether every target is finished, max_steps is reached, or the run has stopped early."""
        return self.ends_after(self.progress.global_step, self.progress.task_steps)

    def ends_after(self, global_step: int, task_steps: Mapping[str, int]) -> bool:
        """Whether the run is finished once these numbers of steps are done."""
        limit = self.total_steps if self.sampler.adapts else self.settings.max_steps
        at_limit = limit is not None and global_step >= limit
        return at_limit or self.progress.stops.run is not None or not self._unfinished_after(task_steps)

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of global step `step`, counted from 1."""
        factor = self.schedule(step) if self.schedule else self.lr_schedule.factor(step, self.total_steps)
        return self.settings.learning_rate * factor
