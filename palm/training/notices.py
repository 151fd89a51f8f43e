"""What a run tells its user beside its steps: waiting for data, memory of copied layers, short runs, first examples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from palm.engine.run import StepResult, TrainingRun
from palm.engine.schedule import expected_steps
from palm.engine.task_instance import TaskInstance

# More than this share of a run, and more seconds than these, are worth a word.
_MOST_SHARE, _MOST_SECONDS = 0.05, 1.0


@dataclass
class _Sum:
    waited: float = 0.0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        return self.waited / self.seconds if self.seconds else 0.0


@dataclass
class DataWait:
    """Adds up what the steps of a run waited."""

    _all: _Sum = field(default_factory=_Sum)
    _latest: _Sum = field(default_factory=_Sum)

    def add(self, result: StepResult) -> None:
        """Count one step."""
        for part in (self._all, self._latest):
            part.waited += result.data_wait
            part.seconds += result.seconds

    @property
    def share(self) -> float:
        """The fraction of all steps so far."""
        return self._all.share

    @property
    def is_too_much(self) -> bool:
        """Whether people should know."""
        return self._all.share > _MOST_SHARE and self._all.waited > _MOST_SECONDS

    def share_since_last(self) -> float:
        """The fraction of the steps since this was last asked."""
        share, self._latest = self._latest.share, _Sum()
        return share


_BYTES = 16  # of a trained parameter: the weight, its gradient and two moments, in float32


def copies_line(parameters: Mapping[str, int]) -> Sequence[str]:
    """A line that names the cost; none where no task has such layers.

    Args:
        parameters: How many parameters each head's own encoder layers have.
    """
    total = sum(parameters.values())
    if not total:
        return []
    owners = ", ".join(f"{head} {_millions(count)}" for head, count in parameters.items() if count)
    memory = f"{total * _BYTES / 1e6:,.0f} MB more memory in training (weights, gradients, two moments)"
    return [f"Encoder layers of the tasks' own: {_millions(total)} parameters ({owners}), {memory}."]


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} M"


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
        rule = f"weighting: {settings.weighting} begins after {begins} epochs of a task."
        yield f"Warning: {rule} Found {epochs:.2g} expected at most, so it makes no difference. Raise num_epochs."
    if settings.unfreeze_every_n_steps >= total:
        rule = f"unfreeze_every_n_steps: the encoder stays frozen for {settings.unfreeze_every_n_steps} steps."
        yield f"Warning: {rule} Found a run of {total}, so the heads train alone. Lower it, or raise num_epochs."


def first_example_lines(tasks: Sequence[TaskInstance]) -> Iterator[str]:
    """The first `print_first_n` examples of each task, and the tokens that its reader made of them."""
    for task in tasks:
        data, count = task.training_data, task.settings.print_first_n
        for row in range(min(count, data.num_examples)):
            tokens = " ".join(task.reader.tokenizer.tokens[token] for token in data.ragged("token_ids")[row])
            yield f"{task.name}: example {row}: {data.records[data.array('record')[row]]} → {tokens}"
