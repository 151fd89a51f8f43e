"""The keys of components between tasks and of the update: their names, schemas, and users.

Their keys are at the top level of the configuration, like the keys that choose them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from palm.balancing.gradients import GRADIENT_METHODS, GradientFields
from palm.balancing.sampling import SAMPLERS, SamplerFields
from palm.balancing.weighting import WEIGHTINGS, WeightingFields
from palm.engine.methods import Methods
from palm.engine.optim import OPTIMIZERS, SCHEDULES, OptimizerFields, ScheduleFields
from palm.errors import ConfigError, Problem
from palm.registry import Registry, did_you_mean
from palm.schema.fields import Schema
from palm.schema.settings import TrainSettings
from palm.schema.validate import unknown_keywords, validate
from palm.schema.values import Resolved, Setting

# Any: the registries contain classes of different kinds, each with a `Config`.
METHODS: Mapping[str, tuple[Registry[Any], ...]] = {
    "sampling": (SAMPLERS,),
    "weighting": (WEIGHTINGS, GRADIENT_METHODS),
    "optimizer": (OPTIMIZERS,),
    "lr_scheduler": (SCHEDULES,),
}
"""The key that chooses a component → the registries of its values."""

FieldsT = TypeVar("FieldsT", bound=Schema)


@dataclass(frozen=True)
class Method:
    """A registered component.

    Attributes:
        choice: The key that chooses it.
        name: Its name.
        owner: Its kind and name, for messages: `sampler adaptive`.
        schema: Its keys.
    """

    choice: str
    name: str
    owner: str
    schema: type[Schema]


def registered_methods() -> Iterator[Method]:
    """Every component, including those of the user's modules."""
    for choice, registries in METHODS.items():
        for registry in registries:
            for name in registry:
                yield _method(choice, registry, name)


def chosen_methods(values: Mapping[str, object]) -> list[Method]:
    """The components in the plain `values`, without unknown names."""
    names = {choice: values.get(choice, TrainSettings.model_fields[choice].default) for choice in METHODS}
    folded = [(choice, _folded(choice, name)) for choice, name in names.items()]
    return [
        _method(choice, registry, name)
        for choice, name in folded
        for registry in METHODS[choice]
        if isinstance(name, str) and name in registry
    ]


def _method(choice: str, registry: Registry[Any], name: str) -> Method:
    return Method(choice, name, f"{registry.kind} {name}", registry[name].Config)


def _folded(choice: str, name: object) -> object:
    """A name as registered; some are case-insensitive, and a number is text."""
    if isinstance(name, int | float) and not isinstance(name, bool):
        return str(name)
    lower_case = any(registry.lower_case for registry in METHODS[choice])
    return name.lower() if lower_case and isinstance(name, str) else name


def _name_problems(values: Mapping[str, Resolved]) -> Iterator[Problem]:
    """Unknown names, or names of two components for one key; names that are not text have been reported."""
    for choice, registries in METHODS.items():
        given = values[choice].setting if choice in values else None
        name = _folded(choice, given.value) if given else None
        if given is None or not isinstance(name, str):
            continue
        found = [registry.kind for registry in registries if name in registry]
        if not found:
            names = [known for registry in registries for known in registry]
            rule = f"unknown {choice} `{name}`.{did_you_mean(name, names)}"
            yield Problem(given.where, f"{rule} Registered: {', '.join(names)}.")
        if len(found) > 1:
            rule = f"a name for `{choice}` stands for one component. Found `{name}` as {' and '.join(found)}."
            yield Problem(given.where, f"{rule} Register one of them under another name.")


def read_methods(values: Mapping[str, Resolved], *, home: str) -> tuple[Methods | None, list[Problem]]:
    """The keys of the components that a run uses, or their problems.

    Args:
        values: Merged values of the run.
        home: Where a missing key should be written.
    """
    read: list[Schema] = []
    problems = list(_name_problems(values))
    for method in chosen_methods(plain_values(values)):
        config, wrong = validate(method.schema, values, owner=method.owner, home=home)
        problems += wrong
        read += [config] if config is not None else []
    for key, method in _unclaimed(values):
        where = values[key].setting.where
        _, wrong = validate(method.schema, {key: values[key]}, owner=method.owner, home=home)
        problems += [problem for problem in wrong if problem.where == where]
    complete = len(read) == len(METHODS) and not problems
    return (_methods(read) if complete else None), problems


def training_from_keywords(
    keys: Mapping[str, Any], *, owner: str, written: Mapping[str, str] | None = None
) -> tuple[TrainSettings, Methods]:
    """The keys of training and of its components, from the keywords of a call.

    Args:
        keys: The keywords, under the keys' own names.
        owner: Name of the called object, for messages.
        written: Key → the caller's keyword, if different.

    Raises:
        ConfigError: All their problems.
    """
    called = written or {}
    values = {key: Resolved(Setting(key, value, owner, written=called.get(key, ""))) for key, value in keys.items()}
    train, problems = validate(TrainSettings, values, owner=owner, home=owner)
    methods, wrong = read_methods(values, home=owner)
    known = list(dict.fromkeys([*TrainSettings.model_fields, *method_defaults()]))
    problems += [*wrong, *unknown_keywords(keys, known, owner=owner)]
    if train is None or methods is None or problems:
        raise ConfigError(problems)
    return train, methods


def _methods(read: Collection[Schema]) -> Methods:
    gradient_method = next((config for config in read if isinstance(config, GradientFields)), None)
    return Methods(
        sampler=_one(read, SamplerFields),
        weighting=WeightingFields() if gradient_method is not None else _one(read, WeightingFields),
        gradient_method=gradient_method,
        optimizer=_one(read, OptimizerFields),
        schedule=_one(read, ScheduleFields),
    )


def _one(read: Collection[Schema], kind: type[FieldsT]) -> FieldsT:
    return next(config for config in read if isinstance(config, kind))


def _of(schema: type[Schema], keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if key in schema.model_fields}


def method_configs(methods: Methods) -> list[Schema]:
    """The keys of each component of a run."""
    found = (methods.sampler, methods.weighting, methods.gradient_method, methods.optimizer, methods.schedule)
    return [config for config in found if config is not None]


def plain_values(values: Mapping[str, Resolved]) -> dict[str, object]:
    """The written values, without their places."""
    return {key: value.setting.value for key, value in values.items()}


def unused_values(values: Mapping[str, Resolved]) -> dict[str, object]:
    """The written keys of components that the run does not use, with their parsed values."""
    found: dict[str, object] = {}
    for key, method in _unclaimed(values):
        config, _ = validate(method.schema, {key: values[key]}, owner=method.owner, home="")
        found[key] = getattr(config, key) if config is not None else values[key].setting.value
    return found


def method_defaults() -> dict[str, object]:
    """The keys of all components, with their defaults; None for required ones."""
    fields = {key: field for method in registered_methods() for key, field in method.schema.model_fields.items()}
    return {
        key: None if field.is_required() else field.get_default(call_default_factory=True)
        for key, field in fields.items()
    }


def following_keys(values: Mapping[str, object]) -> list[str]:
    """The keys by which a run with the plain `values` follows dev metrics, such as `sampling_by`."""
    found = []
    for method in chosen_methods(values):
        if issubclass(method.schema, SamplerFields | WeightingFields):
            try:
                found.append(method.schema.model_validate(_of(method.schema, values)).dev_metric_key())
            except ValidationError:  # a damaged or edited file
                continue
    return [key for key in found if key is not None]


def _unclaimed(values: Mapping[str, Resolved]) -> Iterator[tuple[str, Method]]:
    """The written keys that only unused components declare, each with the first such component."""
    claimed = {key for method in chosen_methods(plain_values(values)) for key in method.schema.model_fields}
    claimed.update(TrainSettings.model_fields)
    seen: set[str] = set()
    for method in registered_methods():
        for key in method.schema.model_fields:
            if key in values and key not in claimed and key not in seen:
                seen.add(key)
                yield key, method
