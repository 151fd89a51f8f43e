"""Registries: the names in YAML of readers, backbones, paradigms, metrics and others."""

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from palm.errors import RegistryError

T = TypeVar("T")


def did_you_mean(word: str, choices: list[str]) -> str:
    """` Did you mean `x`?` for the closest of `choices`, or an empty string."""
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


class Registry(Generic[T]):
    """Components of one kind by name.

    Args:
        kind: What the components are, for messages: `"reader"`, `"backbone"`, …
        lower_case: Whether all names are, because the key that chooses one is read in any case.
    """

    def __init__(self, kind: str, *, lower_case: bool = False) -> None:
        self.kind = kind
        self.lower_case = lower_case
        self._components: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers a component under `name`.

        Raises:
            RegistryError: The name is taken by another component, or not in lower case where all are.
        """
        if self.lower_case and name != name.lower():
            raise RegistryError(f"A {self.kind} name is in lower case. Found `{name}`: write `{name.lower()}`.")

        def add(component: T) -> T:
            if self._components.get(name, component) is not component:
                raise RegistryError(f"A {self.kind} name must be unique. Found a second `{name}`: {component!r}.")
            self._components[name] = component
            return component

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self._components:
            hint = did_you_mean(name, list(self._components))
            raise RegistryError(
                f"unknown {self.kind} `{name}`.{hint} Registered: {', '.join(sorted(self._components))}."
            )
        return self._components[name]

    def __contains__(self, name: str) -> bool:
        return name in self._components

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._components))
