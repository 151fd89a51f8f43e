"""Registries: the names in YAML of readers, backbones, paradigms, metrics and others.

A component written for the interface of PaddlePALM 0.2.1 or PALM 2 is rejected with a message that leads to
docs/porting.md, which maps each former method to the present one.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar

from palm.errors import ConfigError, Problem, RegistryError, find_lookalike, invisible_difference
from palm.plugins import find_plugin, load_plugin

T = TypeVar("T")

GUIDE = "docs/porting.md"

_HEAD = MappingProxyType(
    {
        "inputs_attrs": "reader_inputs and backbone_inputs",
        "outputs_attrs": "outputs_attr",
        "build": "build_layers, forward and loss",
        "epoch_inputs_attrs": "decode_columns",
        "postprocess": "split",
        "batch_postprocess": "split",
        "epoch_postprocess": "decode",
    }
)
FORMER_METHODS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "reader": {
            "iterator": "collate",
            "_iterator": "collate",
            "get_epoch_outputs": "decode of the paradigm, which is given the data set",
        },
        "backbone": {"build": "build_layers"},
        "paradigm": _HEAD,
        "head": _HEAD,
        "optimizer": {"_build": "palm.optimizer.Adam", "_set_prog": "palm.optimizer.Adam"},
        "schedule": {"_build": "__call__(step), a factor of the learning rate", "_set_prog": "nothing"},
    }
)
"""Kind of a component → method of the former interface → what takes its place."""

_PRESENT = MappingProxyType(
    {
        "reader": ("parse", "encode", "collate"),
        "backbone": ("build_layers",),
        "paradigm": ("build_layers", "forward", "loss", "decode"),
        "schedule": ("__call__",),
    }
)
"""Methods that only a component of the present interface defines: such a one may call a helper as it likes."""

_SHOWN = 80
"""Characters of an unknown name that a message shows."""


def did_you_mean(word: str, choices: list[str]) -> str:
    """` Did you mean `x`?` for the closest of `choices`, or an empty string.

    What differs is spelled out if it cannot be seen, such as the composition of an accent.
    """
    alike = find_lookalike(word, choices)
    if alike is not None:
        return f" Did you mean `{alike}`? {invisible_difference(word, alike)}"
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


def component_problem(component: object, base: type, keys: type) -> str | None:
    """Why `component` is not a complete `base` whose class attribute `Config` extends `keys`; None if it is.

    Args:
        component: The object that is registered.
        base: The base class of all components of the kind.
        keys: The class that declares the keys of all of them.
    """
    if not isinstance(component, type) or not issubclass(component, base):
        return f"a class that extends `{base.__name__}` is expected. Found `{component!r:.80}`."
    config = getattr(component, "Config", None)
    if not isinstance(config, type) or not issubclass(config, keys):
        rule = f"its class attribute `Config` is a subclass of `{keys.__name__}`, which declares its keys."
        found = "none" if config is None else f"`{config!r:.80}`"
        advice = f"Add one: `Config = {keys.__name__}` if it has no keys of its own."
        return f"{rule} Found {found} in `{component.__name__}`. {advice}"
    missing = sorted(getattr(component, "__abstractmethods__", ()))
    if missing:
        methods = ", ".join(f"`{method}`" for method in missing)
        return f"it implements `{base.__name__}`. Found no {methods} in `{component.__name__}`. Add what is missing."
    return None


class Registry(Generic[T]):
    """Components of one kind by name.

    Args:
        kind: What the components are, for messages: `"reader"`, `"backbone"`, …
        lower_case: Whether all names are, because the key that chooses one is read in any case.
        problem: Why something is not a component of this kind, or None if it is one.
    """

    def __init__(
        self, kind: str, problem: Callable[[object], str | None] = lambda _: None, *, lower_case: bool = False
    ) -> None:
        self.kind = kind
        self.lower_case = lower_case
        self._problem = problem
        self._components: dict[str, T] = {}
        self._loading: set[str] = set()  # names whose plug-ins are being imported

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers a component under `name`.

        Raises:
            RegistryError: The name is taken by another component, or not in lower case where all are; or the component
                is not one of this kind.
            ConfigError: A class that is written for the interface of PaddlePALM.
        """
        if not isinstance(name, str):
            raise RegistryError(f'A {self.kind} is registered under a name: `.register("name")`. Found `{name!r:.80}`.')
        if self.lower_case and name != name.lower():
            raise RegistryError(f"A {self.kind} name is in lower case. Found `{name}`: write `{name.lower()}`.")

        def add(component: T) -> T:
            if isinstance(component, type):
                refuse_former(self.kind, component)
            problem = self._problem(component)
            if problem is not None:
                raise RegistryError(f"{self.kind} `{name}`: {problem}")
            other = self._components.get(name, component)
            if other is not component:
                both = f"{component!r}, besides {other!r}"
                raise RegistryError(f"A {self.kind} name must be unique. Found a second `{name}`: {both}.")
            self._components[name] = component
            return component

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self:
            hint = did_you_mean(name, list(self._components))
            raise RegistryError(
                f"unknown {self.kind} `{name[:_SHOWN]}`.{hint} Registered: {', '.join(sorted(self._components))}."
            )
        return self._components[name]

    def name_of(self, component: object) -> str:
        """The name under which the class of `component` is registered.

        Raises:
            RegistryError: It is not.
        """
        found = next((name for name in self if self._components[name] is type(component)), None)
        if found is None:
            rule = f"A {self.kind} is registered under a name."
            raise RegistryError(f"{rule} Found none of `{type(component).__name__}`.")
        return found

    def __contains__(self, name: str) -> bool:
        """Whether there is a component of this name: registered, or declared by an installed package, then loaded.

        Raises:
            RegistryError: The package cannot be used, or several packages declare the name.
        """
        return name in self._components or (isinstance(name, str) and self._is_plugin(name))

    def _is_plugin(self, name: str) -> bool:
        plugin = find_plugin(self.kind, name) if name not in self._loading else None
        if plugin is None:
            return False
        self._loading.add(name)
        try:
            load_plugin(plugin)
        finally:
            self._loading.discard(name)
        if name not in self._components:
            found = f"Found that its module {plugin.module} registers no {self.kind} `{name}`"
            raise RegistryError(f"the plug-in {plugin} declares a component. {found}. Update or uninstall the package.")
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._components))


def former_methods(kind: str, names: Sequence[str]) -> list[str]:
    """Which of `names` are methods of the former interface for components of `kind`; none beside present ones."""
    if any(name in names for name in _PRESENT.get(kind, ())):
        return []
    return [name for name in FORMER_METHODS.get(kind, {}) if name in names]


def refuse_former(kind: str, component: type) -> None:
    """Refuse a class that is written for the former interface.

    Args:
        kind: What it is: reader, backbone, paradigm, head, optimizer, schedule.
        component: The class; the methods that it defines itself are looked at.

    Raises:
        ConfigError: It defines methods that nothing calls any more, and none of those that take their place.
    """
    found = former_methods(kind, list(vars(component)))
    if found:
        raise ConfigError(Problem(component.__qualname__, former_message(kind, found)))


def former_message(kind: str, found: Sequence[str]) -> str:
    """The message about methods of the former interface."""
    instead = "; ".join(f"{name} → {FORMER_METHODS[kind][name]}" for name in found)
    rule = f"a {kind} of your own is written for the interface of this version."
    return f"{rule} Found methods of PaddlePALM's: {', '.join(found)}. Port them as {GUIDE} says ({instead})."


def wrong_object(owner: str, expected: str, kind: str, found: object) -> ConfigError:
    """The error about an argument that is no component of PALM, maybe one for the former interface.

    Args:
        owner: The call, for the message.
        expected: What it takes.
        kind: The kind of the component.
        found: The argument.
    """
    former = former_methods(kind, dir(found))
    what = f"a {type(found).__name__}"
    if former:
        return ConfigError(Problem(owner, f"{expected} is expected. Found {what}: {former_message(kind, former)}"))
    return ConfigError(Problem(owner, f"{expected} is expected. Found {what}. Make one of your own as {GUIDE} says."))
