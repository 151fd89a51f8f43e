"""Methods that a run is too short for: what they wait for never comes."""

from collections.abc import Iterator, Sequence

from palm.balancing.weighting.dwa import EPOCHS_COMPARED
from palm.engine.schedule import build_sampler, expected_steps, global_steps
from palm.engine.task_instance import TaskInstance
from palm.schema.settings import TrainSettings


def short_run_lines(tasks: Sequence[TaskInstance], settings: TrainSettings) -> Iterator[str]:
    """A warning for each method that does not begin before the run ends.

    Args:
        tasks: The tasks of the run.
        settings: The keys of training.
    """
    total = global_steps(tasks, settings)
    expected = expected_steps(tasks, settings.num_epochs, build_sampler(tasks, settings).epoch_steps)
    epochs = max(min(expected[task.name], total) / task.steps_per_epoch for task in tasks)
    if settings.weighting == "dwa" and epochs <= EPOCHS_COMPARED:
        rule = f"weighting: dwa begins after {EPOCHS_COMPARED} epochs of a task."
        yield f"Warning: {rule} Found {epochs:.2g} expected at most, so it makes no difference. Raise num_epochs."
    if settings.unfreeze_every_n_steps >= total:
        rule = f"unfreeze_every_n_steps: the encoder stays frozen for {settings.unfreeze_every_n_steps} steps."
        yield f"Warning: {rule} Found a run of {total}, so the heads train alone. Lower it, or raise num_epochs."
