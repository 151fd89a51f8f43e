"""The training loop: a generator of step results. Callers log, evaluate, export and save."""

import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from palm.data.dataset import Record
from palm.engine.balance import note_losses, note_probabilities
from palm.engine.batches import StepBatch, prefetched, step_batches
from palm.engine.forward_backward import PassResult, passes, train_pass, without_overflows
from palm.engine.rank_step import compute_and_agree
from palm.engine.run import StepResult, TrainingRun
from palm.engine.task_instance import TaskInstance
from palm.errors import TrainingError

MOST_ROWS = 64
ADVICE = (
    "The model was not updated with it. Check these rows, lower learning_rate, or set on_nan: skip or rollback; "
    "`--resume` continues from the newest checkpoint."
)


def fault_message(task: TaskInstance, task_step: int, global_step: int, fault: str) -> str:
    """`global step 7, task intent, step 3/30 (epoch 0), train.tsv lines 2, 9: a loss … are finite. Found: …`."""
    epoch, position = task.epoch_at(task_step)
    step = f"step {position + 1}/{task.steps_per_epoch} (epoch {epoch})"
    rows = rows_of(task.records_at(task_step), task.reader.record_unit)
    where = f"global step {global_step}, task {task.name}, {step}, {task.training_data.file} {rows}"
    return f"{where}: the loss and all gradients are finite numbers. Found: {fault}."


def rows_of(records: Sequence[Record], unit: str) -> str:
    """`lines 2, 9, 17`, or the unit of the reader's records."""
    numbers = [str(record["line"]) for record in records]
    more = f" and {len(numbers) - MOST_ROWS} more" if len(numbers) > MOST_ROWS else ""
    return f"{unit} {', '.join(numbers[:MOST_ROWS])}{more}"


def train_steps(run: TrainingRun) -> Generator[StepResult, None, None]:
    """Train until every target reaches its expected steps (or max_steps is reached); yield after each step.

    Each step samples one task (in `mode: joint` it takes every task), takes its next mini-batch, and updates the
    backbone and that task's head. A thread that ends with this generator prepares batches in advance.

    Raises:
        TrainingError: A loss or a gradient is not finite, and `on_nan` is abort.
    """
    for task in run.tasks:
        run.progress.task_steps.setdefault(task.name, 0)
    while not run.finished:
        retired_tasks = run.retired_tasks
        with closing(prefetched(upcoming(run))) as batches:
            # If the mix changes, prepared batches are those of the old one.
            while not run.finished and run.retired_tasks == retired_tasks:
                yield train_step(run, *next(batches))


def train_step(run: TrainingRun, step_batch: StepBatch, data_wait: float = 0.0) -> StepResult:
    """One training step: forward and backward of its batches, and an update if due.

    Args:
        run: The run, which is updated.
        step_batch: The batches of the step.
        data_wait: Seconds spent waiting for it.

    Raises:
        TrainingError: The loss or a gradient is not finite, and `on_nan` is abort.
    """
    started = time.perf_counter()
    number, steps, waited_for = step_batch.global_step, run.progress.task_steps, run.unfinished
    learning_rate = run.learning_rate_at(number)
    run.ranks.watch.step(number, can_save=run.ranks.count == 1 or not _has_pending_gradients(run))
    # Factors of all tasks before any of them trains: the weighting learns from the whole step below.
    factors = {part.task.name: run.loss_factor(part.task) for part in step_batch.parts}
    first, *others = _train_parts(run, step_batch, factors, learning_rate)
    run.ranks.watch.note(f"the update of step {number}")
    _note(run, step_batch, [first, *others] if first.trained else [])
    for name in factors:
        steps[name] = steps.get(name, 0) + 1
    run.progress.global_step, run.progress.skipped_draws = number, step_batch.skipped_draws
    # Computed after this step is counted: a target is exported at exactly its last step.
    unfinished = run.unfinished
    reached = tuple(name for name in factors if name in waited_for and name not in unfinished)
    last = run.finished
    # The last step updates with an incomplete set of batches, which would otherwise be lost.
    if last or _update_is_due(run):
        _update(run, learning_rate)
    run.ranks.watch.note(f"what follows step {number}")
    return replace(
        first,
        seconds=data_wait + time.perf_counter() - started,
        data_wait=data_wait,
        finished=reached + unfinished if last else reached,
        last=last,
        other_tasks=tuple(others),
        end_epoch=step_batch.end_epoch,
    )


def _has_pending_gradients(run: TrainingRun) -> bool:
    """Whether there are gradients of batches since the last update."""
    return run.optimizer.has_gradients() or (run.task_gradients is not None and run.task_gradients.pending)


def _train_parts(
    run: TrainingRun, step_batch: StepBatch, factors: Mapping[str, float], learning_rate: float
) -> list[StepResult]:
    """Forward and backward of each task's batch; tasks without a label for any row of the step are skipped."""
    results: dict[str, StepResult] = {}
    taken = [part for part in step_batch.parts if part.batch]
    seconds: dict[str, float] = {}

    def compute(parts: Sequence[StepBatch]) -> list[PassResult]:
        outcomes = dict(_computed(run, parts, factors, seconds))
        return [outcomes[part.task.name] for part in parts]

    if run.ranks.count == 1:
        outcomes: Iterable[tuple[str, PassResult]] = _computed(run, taken, factors, seconds)
    else:
        updates = _update_is_due_after(run, step_batch)
        agreed = compute_and_agree(run, taken, compute, updates=updates)
        outcomes = zip([part.task.name for part in taken], agreed, strict=True)
    outcomes = without_overflows(run, outcomes)
    by_name = {part.task.name: part for part in taken}
    for name, outcome in outcomes:
        rate, factor = learning_rate, factors[name]
        results[name] = _result(run, by_name[name], outcome, factor, learning_rate=rate, seconds=seconds[name])
    if not results:  # the tasks with labels for these rows are retired
        first = step_batch.parts[0]
        nothing = _result(run, first, (0.0, None), factors[first.task.name], learning_rate=learning_rate, seconds=0.0)
        return [replace(nothing, trained=False)]
    return [results[part.task.name] for part in step_batch.parts if part.task.name in results]


def _computed(
    run: TrainingRun, parts: Sequence[StepBatch], factors: Mapping[str, float], seconds: dict[str, float]
) -> Iterator[tuple[str, PassResult]]:
    """The outcome of each task's batch, pass by pass; `seconds` gets how long each took."""
    per_task = run.task_gradients is not None or run.shared_layer is not None
    for together in passes(parts, per_task=per_task):
        started = time.perf_counter()
        own = [factors[part.task.name] for part in together]
        for part, outcome in zip(together, train_pass(run, together, own), strict=True):
            seconds[part.task.name] = time.perf_counter() - started
            yield part.task.name, outcome


def _result(
    run: TrainingRun, part: StepBatch, outcome: PassResult, factor: float, *, learning_rate: float, seconds: float
) -> StepResult:
    """The result of a step for one task.

    Raises:
        TrainingError: The loss or a gradient is not finite, and `on_nan` is abort.
    """
    task, (loss, fault) = part.task, outcome
    epoch, position = task.epoch_at(part.task_step)
    if fault is not None:
        fault = fault_message(task, part.task_step, part.global_step, fault)
        if run.settings.on_nan == "abort":
            raise TrainingError(f"{fault} {ADVICE}")
    return StepResult(
        global_step=part.global_step,
        task=task.name,
        step=position + 1,
        steps_per_epoch=task.steps_per_epoch,
        epoch=epoch,
        loss=loss,
        learning_rate=learning_rate,
        seconds=seconds,
        data_wait=0.0,
        fault=fault,
        finished=(),
        last=False,
        loss_factor=factor,
        normalised_loss=run.history[task.name].normalised(loss),
    )


def _note(run: TrainingRun, step_batch: StepBatch, parts: Sequence[StepResult]) -> None:
    """Add the results of a step to the history, except those with a fault."""
    losses = {part.task: part.loss for part in parts if part.fault is None}
    norms = run.shared_layer.taken() if run.shared_layer else {}
    note_losses(
        run.history,
        run.weighting,
        losses,
        end_epoch=step_batch.end_epoch,
        # Of several ranks, a batch that overflowed in float16 has a loss, and a norm that is not finite.
        norms={name: norm for name, norm in norms.items() if name in losses and math.isfinite(norm)},
    )
    note_probabilities(
        run.progress.sampling_probabilities, step_batch.global_step, run.sampler.probabilities(run.history)
    )


def upcoming(run: TrainingRun) -> Iterator[StepBatch]:
    """The batches of the following steps, as long as the mix does not change."""
    done = run.progress
    return step_batches(
        run.tasks,
        run.sampler,
        done_steps=done.global_step,
        task_steps=done.task_steps,
        retired_tasks=run.retired_tasks,
        skipped_draws=done.skipped_draws,
        probabilities=done.sampling_probabilities,
        ranks=run.ranks,
    )


def _update_is_due_after(run: TrainingRun, step_batch: StepBatch) -> bool:
    """Whether this step, once it is counted, is one that updates the model, with gradients summed over all ranks."""
    steps = dict(run.progress.task_steps)
    for part in step_batch.parts:
        steps[part.task.name] = steps.get(part.task.name, 0) + 1
    number = step_batch.global_step
    return number % run.settings.gradient_accumulation_steps == 0 or run.ends_after(number, steps)


def _update_is_due(run: TrainingRun) -> bool:
    if run.task_gradients is not None:
        return run.task_gradients.complete(run.retired_tasks)
    return run.progress.global_step % run.settings.gradient_accumulation_steps == 0


def _update(run: TrainingRun, learning_rate: float) -> None:
    if run.task_gradients is not None:
        run.optimizer.set_gradients(run.task_gradients.take(run.progress.global_step, run.ranks))
    run.rank_gradients.clear()
    if not run.optimizer.has_gradients():
        return  # every batch of this update had a fault
    run.optimizer.step(learning_rate)
    # After the update, since the average is over updated weights.
    if run.average is not None:
        run.optimizer.catch_up()
        run.average.update(run.progress.global_step)
