"""Checks over the tasks whose dev figures a weighting follows."""

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
    if train.weighting != "dtp" or train.weighting_by != "metric":
        return
    without = [name for name, settings in tasks.items() if settings.mix_ratio > 0 and settings.dev_file is None]
    if without:
        where = values["weighting_by"].setting.where if "weighting_by" in values else "weighting_by"
        rule = "weighting_by: metric follows the dev figures of all tasks."
        found = f"Found no dev_file for {', '.join(f'`{name}`' for name in without)}."
        yield Problem(where, f"{rule} {found} Add it, or set weighting_by: loss.")
