"""Checks over the tasks whose dev figures a weighting or a sampler follows."""

from collections.abc import Iterator, Mapping

from palm.config.layer import Resolved
from palm.config.schema import TaskSettings, TrainSettings
from palm.errors import Problem


def check_followed(
    tasks: Mapping[str, TaskSettings], train: TrainSettings, values: Mapping[str, Resolved]
) -> Iterator[Problem]:
    """Everything that keeps the figures from being there.

    Args:
        tasks: The tasks whose own keys are right.
        train: The keys of training.
        values: Where each of these was written.
    """
    keys = {"weighting_by": train.weighting == "dtp" and train.weighting_by == "metric"}
    keys |= {"sampling_by": train.sampling == "adaptive" and train.sampling_by == "metric"}
    without = [name for name, settings in tasks.items() if settings.mix_ratio > 0 and settings.dev_file is None]
    for key in (key for key, followed in keys.items() if followed and without):
        where = values[key].setting.where if key in values else key
        rule = f"{key}: metric follows the dev figures of all tasks."
        found = f"Found no dev_file for {', '.join(f'`{name}`' for name in without)}."
        yield Problem(where, f"{rule} {found} Add it, or set {key}: loss.")
