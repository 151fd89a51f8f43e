"""Builds and drives a training run, for the Controller and the trainers alike."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from signal import Signals

from palm.distributed.ranks import Ranks, current_ranks
from palm.engine.early_sums import EarlySums
from palm.engine.methods import Methods, build_gradient_method, build_weighting
from palm.engine.model import MultiTaskModel
from palm.engine.optim import OPTIMIZERS
from palm.engine.optim.freezing import freeze
from palm.engine.optim.optimizer import Optimizer, head_lr_scales
from palm.engine.optim.prompt_parameters import (
    all_keep_encoder,
    check_prompt_parameters,
    heads_with_prompt_alone,
    prompt_lr_scales,
    prompt_settings,
)
from palm.engine.optim.weight_average import build_average
from palm.engine.run import Progress, StepResult, TrainingRun
from palm.engine.schedule import build_sampler, global_steps
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem, TrainingError
from palm.kernels.precision import choose_precision, evaluated_precision
from palm.schema.prompt_training import keeps_encoder
from palm.schema.settings import TrainSettings
from palm.training.after_step import Follower
from palm.training.signals import StopSignals

Failure = Callable[[], TrainingError | None]
"""What a callback raised, with which a run ends once the step is complete; None as long as none did."""


def no_failure() -> TrainingError | None:
    """Of a run without callbacks."""
    return None


def build_run(
    model: MultiTaskModel,
    tasks: Sequence[TaskInstance],
    settings: TrainSettings,
    methods: Methods,
    *,
    schedule: Callable[[int], float] | None = None,
) -> TrainingRun:
    """Build a run.

    Args:
        model: Backbone and heads; what the settings freeze is frozen, and so is an encoder of another model.
        tasks: The task instances with their data, in the order of their mix ratios.
        settings: The global training keys.
        methods: The keys of the components that these name.
        schedule: Factor of the learning rate at each global step, counted from 1; by default that of the settings.
    """
    ranks = current_ranks()
    _refuse_comparisons(tasks, ranks)
    check_prompt_parameters(model, tasks)
    kept = model.frozen_encoder is not None or all_keep_encoder(tasks)
    freeze(model, settings, encoder=kept, heads=heads_with_prompt_alone(tasks))
    sampler = build_sampler(tasks, settings, methods.sampler)
    total = global_steps(tasks, settings, sampler)
    rule = OPTIMIZERS[settings.optimizer]
    optimizer = Optimizer(
        model,
        rule,
        methods.optimizer,
        lr_scales=prompt_lr_scales(tasks, settings.learning_rate)
        | head_lr_scales((task.head, task.lr_scale) for task in tasks),
        own=prompt_settings(tasks, rule),
        kernels=model.backbone_config.kernels,
        by_rows=not reads_whole_table(tasks, settings, methods),
    )
    backbone = model.backbone_config
    precision = choose_precision(settings.amp, kernels=backbone.kernels, activation=backbone.hidden_act)
    model.amp = evaluated_precision(precision.computed)
    return TrainingRun(
        model=model,
        tasks=tasks,
        sampler=sampler,
        optimizer=optimizer,
        average=build_average(model, settings, total),
        settings=settings,
        methods=methods,
        progress=Progress(amp=precision.computed, processes=tasks[0].processes),
        total_steps=total,
        schedule=schedule,
        precision=precision,
        ranks=ranks,
        early_sums=EarlySums(model, ranks) if ranks.sums_in_background else None,
    )


def reads_whole_table(tasks: Sequence[TaskInstance], settings: TrainSettings, methods: Methods) -> bool:
    """Whether anything but lookups of the batches' tokens reads the word embeddings in a training step.

    Adversarial training moves the table along its gradient; gradient methods and weightings may look at any gradient of
    the encoder; a decoder tied to the table reads all of it, and so do steps of gradual unfreezing, of SMART and of
    tasks that keep the encoder, which go through the model's parameters. All of them would be correct with rows, too,
    though not to the bit, or slower.
    """
    return (
        bool(settings.adversarial_epsilon)
        or settings.unfreeze_every_n_steps > 0
        or build_gradient_method(settings, methods) is not None
        or build_weighting(tasks, settings, methods).needs_norms
        or any(task.settings.smart_weight or "embedding_table" in task.paradigm.backbone_inputs() for task in tasks)
        or any(keeps_encoder(task.paradigm.config) for task in tasks)
    )


def _refuse_comparisons(tasks: Sequence[TaskInstance], ranks: Ranks) -> None:
    """Refuse losses that compare the examples of a batch, of which each of several ranks has a part.

    Raises:
        ConfigError: There is such a loss, and several ranks.
    """
    found = {task.name: task.paradigm.compares_examples for task in tasks if ranks.count > 1}
    problems = []
    for name, key in found.items():
        if key is not None:
            rule = f"{key}: the loss compares all examples of a batch with each other, so one process has them all."
            advice = "Train with one process, or remove the key."
            problems.append(Problem(f"tasks.{name}", f"{rule} Found {ranks.count} processes. {advice}"))
    if problems:
        raise ConfigError(problems)


def run_training(
    run: TrainingRun,
    steps: Generator[StepResult, None, None],
    followers: Sequence[Follower],
    *,
    before_stop: Callable[[str, int], None],
    saves: bool,
    failure: Failure = no_failure,
) -> None:
    """Train to the end of the run, or until a signal.

    Args:
        run: The run.
        steps: Its steps, `train_steps(run)`.
        followers: Called after each step, in this order:
            1. handling of non-finite steps, which may restore earlier weights for all that follow;
            2. the log line, whose speed excludes the time of evaluations;
            3. evaluation and exports, before checkpoints: a run that dies between them repeats them on resume;
            4. checkpoints, which contain the state of the others.
        before_stop: Called with the signal's name and the global step before a signal ends the run; saves it.
        saves: Whether it writes a checkpoint, for the message at the signal.
        failure: What a callback raised on the first rank, with which the run ends like after a signal.

    Raises:
        TrainingError: A loss or a gradient is not finite, and `on_nan` does not allow it; or `failure`.
        CheckpointError: Something cannot be written.
        KeyboardInterrupt: SIGINT ended the run.
        SystemExit: SIGTERM ended the run.
    """
    with StopSignals(saves=saves) as signals, closing(steps):
        for result in steps:
            for follower in followers:
                follower.after(result)
            # Several ranks stop after the same step, one after which all know that one of them has the signal. In the
            # middle of an update each has a part of its gradients, whose sum would be rounded in another order. Those
            # of a gradient method are saved nevertheless: it may update only after all tasks had their turn.
            failed = failure()
            received = signals.received or (Signals.SIGTERM if failed else None)
            run.ranks.stop = received or 0
            wanted = received if run.ranks.count == 1 else run.ranks.agreed_stop
            whole = run.ranks.count == 1 or not run.optimizer.has_gradients()
            if wanted and whole and not run.finished:
                before_stop("a callback" if failed else Signals(wanted).name, result.global_step)
                if failed:
                    raise failed
                signals.stop(Signals(wanted))
