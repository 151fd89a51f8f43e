"""Messages of a run besides its steps: those before the first one, and waiting for data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palm.config.run_config import RunConfig
from palm.engine.run import StepResult, TrainingRun
from palm.engine.schedule import expected_steps
from palm.engine.task_instance import TaskInstance
from palm.errors import counted
from palm.kernels.precision import NAMES
from palm.training.dev_split import split_lines
from palm.training.earlier_runs import resume_or_archive
from palm.training.label_notices import label_lines

# A run that waits for more than both is reported.
_MOST_FRACTION, _MOST_SECONDS = 0.05, 1.0


@dataclass
class _Sum:
    waited: float = 0.0
    seconds: float = 0.0

    @property
    def fraction(self) -> float:
        return self.waited / self.seconds if self.seconds else 0.0


@dataclass
class DataWait:
    """Sums the time that the steps of a run waited for data."""

    _all: _Sum = field(default_factory=_Sum)
    _latest: _Sum = field(default_factory=_Sum)

    def add(self, result: StepResult) -> None:
        """Add a step."""
        for part in (self._all, self._latest):
            part.waited += result.data_wait
            part.seconds += result.seconds

    @property
    def fraction(self) -> float:
        """Fraction of the time so far."""
        return self._all.fraction

    @property
    def is_too_much(self) -> bool:
        """Whether to report it."""
        return self._all.fraction > _MOST_FRACTION and self._all.waited > _MOST_SECONDS

    def fraction_since_last(self) -> float:
        """Fraction of the time since the last call."""
        fraction, self._latest = self._latest.fraction, _Sum()
        return fraction


_BYTES = 16  # of a trained parameter: the weight, its gradient and two moments, in float32


def copies_line(parameters: Mapping[str, int]) -> Sequence[str]:
    """A line with the memory cost; none if no task has such layers.

    Args:
        parameters: How many parameters each head's own encoder layers have.
    """
    total = sum(parameters.values())
    if not total:
        return []
    owners = ", ".join(f"{head} {_millions(count)}" for head, count in parameters.items() if count)
    memory = f"{total * _BYTES / 1e6:,.0f} MB more memory in training (weights, gradients, two moments)"
    return [f"Task-specific encoder layers: {_millions(total)} parameters ({owners}), {memory}."]


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} M"


def precision_lines(run: TrainingRun) -> Iterator[str]:
    """What `amp: auto` has chosen, and why."""
    if run.settings.amp != "auto" or run.progress.amp != run.precision.computed:  # a resumed run has said it
        return
    yield f"amp: auto: products in {NAMES[run.progress.amp]} ({run.precision.reason})."


def export_lines(run: TrainingRun) -> Iterator[str]:
    """A line about targets that are exported from their best evaluation, and whether any of them may stop early."""
    if run.settings.export != "best":
        return
    targets = [task for task in run.tasks if task.settings.target and task.dev is not None]
    if targets:
        patient = [task.name for task in targets if task.settings.early_stopping_patience]
        early = f"{', '.join(patient)} may stop early" if patient else "none stops early (early_stopping_patience)"
        names = ", ".join(task.name for task in targets)
        yield f"Exported from the best evaluation, not the last step (`export: last`): {names}; {early}."


def short_run_lines(run: TrainingRun) -> Iterator[str]:
    """A warning for each method that does not begin before the run ends.

    Args:
        run: The run, before its first step.
    """
    settings, total = run.settings, run.total_steps
    expected = expected_steps(run.tasks, settings.num_epochs, run.sampler.epoch_steps)
    epochs = max(min(expected[task.name], total) / task.steps_per_epoch for task in run.tasks)
    begins = run.weighting.epochs_before_effect
    if begins and epochs <= begins:
        rule = f"weighting: {settings.weighting} begins after {counted(begins, 'epoch')} of a task."
        yield f"Warning: {rule} Found {epochs:.2g} expected at most, so it makes no difference. Raise num_epochs."
    if settings.unfreeze_every_n_steps >= total:
        rule = f"unfreeze_every_n_steps: the encoder stays frozen for {settings.unfreeze_every_n_steps} steps."
        yield f"Warning: {rule} Found a run of {total}, so the heads train alone. Lower it, or raise num_epochs."


def first_example_lines(tasks: Sequence[TaskInstance]) -> Iterator[str]:
    """The first `print_first_n` examples of each task, with their tokens."""
    for task in tasks:
        data, count = task.training_data, task.settings.print_first_n
        for row in range(min(count, data.num_examples)):
            tokens = " ".join(task.reader.tokenizer.readable_tokens[token] for token in data.ragged("token_ids")[row])
            yield f"{task.name}: example {row}: {data.records[data.array('record')[row]]} → {tokens}"


def beginning_lines(run: TrainingRun, config: RunConfig, *, resume: bool) -> list[str]:
    """Restore the run from its newest checkpoint if it resumes, archive an earlier one else; the lines for the user.

    Args:
        run: The run, before its first step.
        config: Its configuration.
        resume: Whether to look for a checkpoint.

    Raises:
        CheckpointError: A checkpoint does not fit, or the earlier run cannot be archived.
    """
    lines = [f"Warning: {warning}" for warning in config.warnings]
    lines += short_run_lines(run)
    lines += export_lines(run)
    lines += resume_or_archive(run, Path(config.run.save_path), resume=resume, resolved=config.resolved)
    lines += precision_lines(run)
    lines += [] if run.progress.global_step else label_lines(run.tasks)  # once per run
    lines += split_lines(run.tasks)
    lines += copies_line(run.model.copied_parameters())
    lines += first_example_lines(run.tasks)
    return lines
