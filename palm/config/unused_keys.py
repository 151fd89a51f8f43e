"""Warnings about settings that make no difference to a run as it is configured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from palm.balancing.weighting import WEIGHTINGS
from palm.config.merge import Merged
from palm.config.methods import method_configs, method_defaults, registered_methods, unused_values
from palm.errors import Problem
from palm.schema.fields import Schema
from palm.schema.settings import TrainSettings
from palm.schema.values import Resolved

if TYPE_CHECKING:
    from palm.config.run_config import RunConfig


FURTHER_TASKS = "further tasks"
"""Stands for a key that says how many tasks are trained beside a task."""
_ON: tuple[object, ...] = ()


@dataclass(frozen=True)
class KeyDependency:
    """Who reads some keys.

    Attributes:
        keys: The keys.
        choices: Other keys, and the values of these with which the keys are read; one of them is enough. Without any
            values it is whatever switches the other key on: not unset, not empty, and above 0.
        always: Values of the keys that are read whatever the choices are.
    """

    keys: tuple[str, ...]
    choices: Mapping[str, tuple[object, ...]]
    always: tuple[object, ...] = ()


USES = (
    KeyDependency(("mode",), {FURTHER_TASKS: _ON}, always=("alternating",)),
    KeyDependency(("leave_mix_when_finished",), {FURTHER_TASKS: _ON}, always=(False,)),
    KeyDependency(("log_gradient_cosines_every_n_steps",), {FURTHER_TASKS: _ON}, always=(-1,)),
    KeyDependency(("mix_ratio",), {"mode": ("alternating",)}, always=(0,)),
    KeyDependency(("ema_decay",), {"weight_average": ("ema",), "use_ema": (True,)}),
    KeyDependency(("swa_start",), {"weight_average": ("swa",)}),
    KeyDependency(("keep_checkpoints",), {"save_every_n_steps": _ON, "selection": _ON, "metric_for_best_model": _ON}),
    KeyDependency(("eval_every_n_steps",), {"dev_file": _ON}),
    KeyDependency(("selection_min_delta",), {"selection_patience": _ON}),
    KeyDependency(("early_stopping_patience", "early_stopping_min_delta"), {"target": (True,)}),
    KeyDependency(("early_stopping_min_delta",), {"early_stopping_patience": _ON}),
    KeyDependency(("smart_epsilon",), {"smart_weight": _ON}),
    KeyDependency(("sharing_size",), {"sharing": ("adapter", "lora", "private")}),
    KeyDependency(("sharing_layers",), {"sharing": ("private_layers", "soft")}),
    KeyDependency(("soft_sharing_weight",), {"sharing": ("soft",)}),
    KeyDependency(("layer",), {"layers": (["last"],)}),
    KeyDependency(("head_hidden_size",), {"head": ("mlp", "bilstm", "bilstm_crf")}),
    KeyDependency(("n_classes",), {"label_kind": ("class", "several")}),
    KeyDependency(("group_by_length",), {"shuffle": (True,)}, always=(False,)),
    KeyDependency(("group_by_length", "drop_last"), {"max_tokens": (None,)}),
    KeyDependency(("shuffle", "group_by_length", "drop_last", "max_tokens"), {"share_rows_with": (None,)}),
    KeyDependency(("null_score_diff_threshold",), {"with_negative": (True,)}),
)


def key_dependencies() -> list[KeyDependency]:
    """`USES`, and what the registered components say: a key is read by those that declare it."""
    alone = tuple(name for name in WEIGHTINGS if WEIGHTINGS[name].for_one_task)
    usual = TrainSettings.model_fields["sampling"].default
    found = [
        KeyDependency(("sampling",), {FURTHER_TASKS: _ON}, always=(usual,)),
        KeyDependency(("weighting",), {FURTHER_TASKS: _ON}, always=alone),
        *USES,
    ]
    readers: dict[tuple[str, str], list[object]] = {}
    for method in registered_methods():
        for key in method.schema.model_fields:
            readers.setdefault((method.choice, key), []).append(method.name)
    return [*found, *(KeyDependency((key,), {choice: tuple(names)}) for (choice, key), names in readers.items())]


@dataclass(frozen=True)
class TaskView:
    """What one task makes of the settings, those of the whole run included.

    Attributes:
        values: The value of every key that holds for it.
        defaults: What the values are where nobody sets them.
        written: The settings behind the values.
    """

    values: Mapping[str, object]
    defaults: Mapping[str, object]
    written: Mapping[str, Resolved]


def unused_settings(views: Iterable[TaskView]) -> list[Problem]:
    """A warning for each setting that makes no difference to any of the tasks, in whatever stage, that it reaches.

    A default that is written beside the choices, as in a configuration that spells everything out, is none.

    Args:
        views: What each task of each stage makes of the settings.
    """
    uses = key_dependencies()
    found: dict[tuple[str, str], Problem] = {}
    read: set[tuple[str, str]] = set()
    for view in views:
        for key in dict.fromkeys(key for use in uses for key in use.keys):
            if key not in view.written or view.values.get(key) is None:
                continue
            place = key, view.written[key].setting.where
            use = _unmet(view, key, uses)
            if use is None:
                read.add(place)
            elif not (view.values[key] == view.defaults.get(key) and any(each in view.written for each in use.choices)):
                found.setdefault(place, _problem(view, key, use))
    return [problem for place, problem in found.items() if place not in read]


def _unmet(view: TaskView, key: str, uses: Sequence[KeyDependency]) -> KeyDependency | None:
    """Why `key` makes no difference here; None where it does."""
    for use in (use for use in uses if key in use.keys and view.values[key] not in use.always):
        known = [choice for choice in use.choices if choice in view.values]
        if known and not any(_is_met(view.values[choice], use.choices[choice]) for choice in known):
            return use
    return None


def _problem(view: TaskView, key: str, use: KeyDependency) -> Problem:
    setting = view.written[key].setting
    choices = {choice: values for choice, values in use.choices.items() if choice in view.values}
    wanted = " or ".join(_chosen(choice, value) for choice, values in choices.items() for value in values or (_ON,))
    beside = " and ".join(_chosen(choice, view.values[choice]) for choice in choices)
    rule = f"`{setting.name}` goes with {wanted}."
    found = f"Found it with {beside}, where it makes no difference."
    return Problem(setting.where, f"{rule} {found} Change that, or leave the key out.")


def _is_met(value: object, wanted: tuple[object, ...]) -> bool:
    if wanted:
        return value in wanted
    return value > 0 if isinstance(value, int | float) else bool(value)


def _chosen(choice: str, value: object) -> str:
    if value is _ON:
        return "several tasks" if choice == FURTHER_TASKS else f"`{choice}`"
    if choice == FURTHER_TASKS:
        return "no task beside it"
    if value is None:
        return f"no `{choice}`"
    shown = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"`{choice}: {str(shown).lower() if isinstance(value, bool) else shown}`"


def with_warnings(configs: Sequence["RunConfig"], merged: Sequence[Merged]) -> "list[RunConfig]":
    """The stages of a run, the first of which has the warnings.

    Args:
        configs: The run, or its stages.
        merged: Where each value of each of them was written.
    """
    views = [view for config, own in zip(configs, merged, strict=True) for view in _views(config, own)]
    first, *others = configs
    return [replace(first, warnings=tuple(unused_settings(views))), *others]


def _views(config: "RunConfig", merged: Merged) -> Iterator[TaskView]:
    trained = [task.name for task in config.tasks if task.settings.mix_ratio > 0]
    unused, known = unused_values(merged.run), method_defaults()
    for task in config.tasks:
        schemas: list[Schema] = [
            config.train,
            *method_configs(config.methods),
            task.settings,
            task.reader,
            task.paradigm,
        ]
        values = {key: getattr(schema, key) for schema in schemas for key in type(schema).model_fields}
        values[FURTHER_TASKS] = len(set(trained) - {task.name})
        defaults = {key: each.default for schema in schemas for key, each in type(schema).model_fields.items()}
        values |= unused
        defaults |= {key: known[key] for key in unused}
        yield TaskView(values, defaults, {**merged.run, **merged.tasks[task.name]})
