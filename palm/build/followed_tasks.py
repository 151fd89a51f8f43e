"""Checks over the tasks whose dev figures a weighting or a sampler follows."""

from collections.abc import Iterator, Mapping

from palm.build.selection_checks import never_evaluated
from palm.errors import Problem
from palm.schema.settings import TaskSettings, TrainSettings
from palm.schema.values import Resolved

_FOLLOWING = {"weighting_by": ("weighting", "dtp"), "sampling_by": ("sampling", "adaptive")}


def following_keys(train: Mapping[str, object]) -> list[str]:
    """The keys by which a run with the keys `train` follows dev figures: `weighting_by`, `sampling_by`, or both."""
    return [
        key
        for key, (method, follower) in _FOLLOWING.items()
        if (train.get(method), train.get(key)) == (follower, "metric")
    ]


def check_followed(
    tasks: Mapping[str, TaskSettings], train: TrainSettings, values: Mapping[str, Resolved]
) -> Iterator[Problem]:
    """Everything that keeps the figures from being there.

    Args:
        tasks: The tasks whose own keys are right.
        train: The keys of training.
        values: Where each of these was written.
    """
    keys = following_keys(train.model_dump())
    if keys and train.eval_every_n_steps == 0:
        yield never_evaluated(" and ".join(f"{key}: metric" for key in keys), values)
    without = [name for name, settings in tasks.items() if settings.mix_ratio > 0 and settings.dev_file is None]
    for key in keys if without else ():
        where = values[key].setting.where if key in values else key
        rule = f"{key}: metric follows the dev figures of all tasks."
        found = f"Found no dev_file for {', '.join(f'`{name}`' for name in without)}."
        yield Problem(where, f"{rule} {found} Add it, or set {key}: loss.")
