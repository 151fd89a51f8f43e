"""Warnings about settings that have no effect in a run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic.fields import FieldInfo

from palm.balancing.weighting import WEIGHTINGS
from palm.config.components import all_schemas
from palm.config.methods import method_configs, method_defaults, registered_methods, unused_values
from palm.config.typed import TypedConfig
from palm.errors import Problem
from palm.schema.facts import FURTHER_TASKS, ON, When, facts_of
from palm.schema.fields import BackboneFields, Schema
from palm.schema.prompt_training import without_encoder_dropout
from palm.schema.settings import TrainSettings
from palm.schema.values import Resolved


def reading_conditions() -> dict[str, list[When]]:
    """The conditions under which each key is read, if any: its own, and the choice of its component.

    A key of a component is read if that component is chosen.
    """
    found: dict[str, list[When]] = {}
    for _, schema in all_schemas():
        for key, field in schema.model_fields.items():
            stated = [_with_default(each, field) for each in facts_of(field).read if each.choices]
            known = found.setdefault(key, [])
            known += [each for each in stated if each not in known]
    alone = tuple(name for name in WEIGHTINGS if WEIGHTINGS[name].for_one_task)
    found["weighting"] = [replace(each, always=(*each.always, *alone)) for each in found["weighting"]]
    readers: dict[tuple[str, str], list[object]] = {}
    for method in registered_methods():
        for key in method.schema.model_fields:
            readers.setdefault((method.choice, key), []).append(method.name)
    for (choice, key), names in readers.items():
        found[key].append(When({choice: tuple(names)}))
    return {key: conditions for key, conditions in found.items() if conditions}


def _with_default(condition: When, field: FieldInfo) -> When:
    """The default of a key about further tasks is also valid for a single task."""
    usual = (field.default,) if FURTHER_TASKS in condition.choices else ()
    return replace(condition, always=(*condition.always, *usual))


@dataclass(frozen=True)
class TaskView:
    """The settings of one task, including those of the whole run.

    Attributes:
        values: The effective value of every key.
        defaults: The default values.
        written: The written settings.
    """

    values: Mapping[str, object]
    defaults: Mapping[str, object]
    written: Mapping[str, Resolved]


def unused_settings(views: Iterable[TaskView]) -> list[Problem]:
    """A warning for each setting that has no effect for any of its tasks in any stage.

    No warning for a written default together with the choices, as in a fully explicit configuration.

    Args:
        views: The settings of each task of each stage.
    """
    conditions = reading_conditions()
    found: dict[tuple[str, str], Problem] = {}
    read: set[tuple[str, str]] = set()
    for view in views:
        for key in conditions:
            if key not in view.written or view.values.get(key) is None:
                continue
            place = key, view.written[key].setting.where
            unmet = _unmet(view, key, conditions[key])
            if unmet is None:
                read.add(place)
            elif not (
                view.values[key] == view.defaults.get(key) and any(each in view.written for each in unmet.choices)
            ):
                found.setdefault(place, _problem(view, key, unmet))
    return [problem for place, problem in found.items() if place not in read]


def _unmet(view: TaskView, key: str, conditions: Sequence[When]) -> When | None:
    """The condition because of which `key` has no effect; None if it has one."""
    for condition in (each for each in conditions if view.values[key] not in each.always):
        known = [choice for choice in condition.choices if choice in view.values]
        if known and not any(_is_met(view.values[choice], condition.choices[choice]) for choice in known):
            return condition
    return None


def _problem(view: TaskView, key: str, unmet: When) -> Problem:
    setting = view.written[key].setting
    choices = {choice: values for choice, values in unmet.choices.items() if choice in view.values}
    needed = " or ".join(_chosen(choice, value) for choice, values in choices.items() for value in values or (ON,))
    present = " and ".join(_chosen(choice, view.values[choice]) for choice in choices)
    rule = f"`{setting.name}` only has an effect with {needed}."
    found = f"Found it with {present}."
    return Problem(setting.where, f"{rule} {found} Change that, or remove the key.")


def _is_met(value: object, wanted: tuple[object, ...]) -> bool:
    if wanted:
        return value in wanted
    return value > 0 if isinstance(value, int | float) else bool(value)


def _chosen(choice: str, value: object) -> str:
    if value is ON:
        return "several tasks" if choice == FURTHER_TASKS else f"`{choice}`"
    if choice == FURTHER_TASKS:
        return "no other task"
    if value is None:
        return f"no `{choice}`"
    shown = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"`{choice}: {str(shown).lower() if isinstance(value, bool) else shown}`"


def unused_keys(stages: Sequence[TypedConfig]) -> list[Problem]:
    """A warning for each key without effect in a training run, or in all its stages."""
    return unused_settings(view for config in stages if config.for_train for view in _views(config))


def keys_without_effect(stages: Sequence[TypedConfig]) -> Iterator[Problem]:
    """A warning for each key that another one, or a value of the backbone, leaves without effect in training."""
    found: dict[Problem, None] = {}
    for config in stages:
        if config.for_train and config.train and config.backbone_config:
            found |= dict.fromkeys(_without_effect(config, config.train, config.backbone_config))
    yield from found


def _without_effect(config: TypedConfig, train: TrainSettings, backbone: BackboneFields) -> Iterator[Problem]:
    if train.amp == "bf16" and backbone.kernels == "plain":
        rule = "on a CPU, bf16 multiplies in the fused kernels."
        found = "Found kernels: plain, so a run on a CPU computes in float32."
        yield Problem(config.where("amp"), f"amp: {rule} {found} Set kernels: auto, or amp: off.")
    if train.amp == "bf16" and backbone.hidden_act == "gelu_new":
        rule = "on a CPU, bf16 multiplies in the fused kernels."
        found = "Found hidden_act: gelu_new, which they do not compute, so a run on a CPU computes in float32."
        yield Problem(config.where("amp"), f"amp: {rule} {found} Set amp: off.")
    for task in config.tasks:
        key = "rdrop_alpha" if task.settings.rdrop_alpha else "use_rdrop"
        encoder = backbone.has_dropout() and not without_encoder_dropout(task.paradigm)
        if getattr(task.settings, key) and not encoder and not task.paradigm.dropout_prob:
            rule = "R-Drop compares two passes under different dropout."
            found = f"Found no dropout in the backbone or in the head of `{task.name}`, so both passes are equal."
            yield Problem(config.where(key, task.name), f"{key}: {rule} {found} Set dropout_prob.")


def _views(config: TypedConfig) -> Iterator[TaskView]:
    trained = [task.name for task in config.tasks if task.settings.mix_ratio > 0]
    unused, known = unused_values(config.run_values), method_defaults()
    shared: list[Schema] = [config.train] if config.train else []
    shared += method_configs(config.methods) if config.methods else []
    for task in config.tasks:
        schemas = [*shared, task.settings, task.reader, task.paradigm]
        values = {key: getattr(schema, key) for schema in schemas for key in type(schema).model_fields}
        values[FURTHER_TASKS] = len(set(trained) - {task.name})
        defaults = {key: each.default for schema in schemas for key, each in type(schema).model_fields.items()}
        values |= unused
        defaults |= {key: known[key] for key in unused}
        yield TaskView(values, defaults, {**config.run_values, **config.task_values[task.name]})
