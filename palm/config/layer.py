"""Values as somebody wrote them, with the place where, and layers of them that hide one another."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from palm.config.aliases import ALIASES
from palm.errors import Problem


@dataclass(frozen=True)
class Setting:
    """One value as somebody wrote it.

    Attributes:
        key: The key's own name.
        value: Plain data, as YAML or the command line gave it.
        where: `file:line`, or the flag that holds it.
        folder: Folder of the file that holds it, where a relative path is looked up second; None for the command line.
        written: The key as it was spelt there: an alias, maybe.

    """

    key: str
    value: object
    where: str
    folder: Path | None = None
    written: str = ""

    @property
    def name(self) -> str:
        """The key as the user spelt it."""
        return self.written or self.key


Layer = Mapping[str, Setting]


@dataclass(frozen=True)
class Resolved:
    """The value of a key that won, and those that it hid."""

    setting: Setting
    hid: tuple[Setting, ...] = ()


def settle_aliases(
    written: Iterable[Setting], aliases: Mapping[str, str] = ALIASES
) -> tuple[dict[str, Setting], list[Problem]]:
    """One layer under the keys' own names, and what is wrong where a key was given twice through an alias."""
    layer: dict[str, Setting] = {}
    problems = []
    for setting in written:
        key = aliases.get(setting.key, setting.key)
        other = layer.get(key)
        if other is not None and other.value != setting.value:
            problems.append(Problem(setting.where, _contradiction(setting, other)))
        layer[key] = replace(setting, key=key, written=setting.key)
    return layer, problems


def _contradiction(second: Setting, first: Setting) -> str:
    return (
        f"`{second.name}` and `{first.name}` are two names of one key and must agree. "
        f"Found `{second.value}` here and `{first.value}` at {first.where}. Keep one of them."
    )


def stack(layers: Sequence[Layer]) -> dict[str, Resolved]:
    """Merge `layers`, the strongest first, and remember what each value hid."""
    merged: dict[str, Resolved] = {}
    for layer in layers:
        for key, setting in layer.items():
            known = merged.get(key)
            merged[key] = Resolved(known.setting, (*known.hid, setting)) if known else Resolved(setting)
    return merged
