"""Warnings about settings that make no difference to a run as it is configured."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from palm.balancing.sampling import SAMPLERS
from palm.balancing.weighting import GRADIENT_METHODS, WEIGHTINGS
from palm.build.merge import Merged
from palm.config.idle_keys import FURTHER_TASKS, View, idle_settings
from palm.schema.fields import Schema

if TYPE_CHECKING:
    from palm.build.run_config import RunConfig


def with_warnings(configs: Sequence["RunConfig"], merged: Sequence[Merged]) -> "list[RunConfig]":
    """The stages of a run, the first of which has the warnings.

    Args:
        configs: The run, or its stages.
        merged: Where each value of each of them was written.
    """
    views = [view for config, own in zip(configs, merged, strict=True) for view in _views(config, own)]
    first, *others = configs
    return [replace(first, warnings=tuple(idle_settings(views, _foreign()))), *others]


def _views(config: "RunConfig", merged: Merged) -> Iterator[View]:
    trained = [task.name for task in config.tasks if task.settings.mix_ratio > 0]
    for task in config.tasks:
        schemas: list[Schema] = [config.train, task.settings, task.reader, task.paradigm]
        values = {key: getattr(schema, key) for schema in schemas for key in type(schema).model_fields}
        values[FURTHER_TASKS] = len(set(trained) - {task.name})
        defaults = {key: each.default for schema in schemas for key, each in type(schema).model_fields.items()}
        yield View(values, defaults, {**merged.run, **merged.tasks[task.name]})


def _foreign() -> set[str]:
    """Names of registered components that are no part of PALM."""
    found = [(name, kind[name]) for kind in (SAMPLERS, WEIGHTINGS, GRADIENT_METHODS) for name in kind]
    return {name for name, component in found if not component.__module__.startswith("palm.")}
