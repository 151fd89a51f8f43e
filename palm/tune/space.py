"""The section `search:` of a configuration: which keys are searched, and over which values."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palm.errors import ConfigError, Problem
from palm.registry import did_you_mean
from palm.schema.values import ALIASES

FORM = "write `[low, high]`, `[low, high, log]`, `{low: …, high: …, step: …}` or `{choices: […]}`"
_LOG = "log"
_RANGE_KEYS = ("low", "high", "log", "step")
_CHOICES = "choices"
_MOST_CHOICES = 1000
_WITHIN = 0.37
"""A point of a range that is tried in the check: no end, and neither whole nor even."""

Value = Any
"""A value of YAML."""


@dataclass(frozen=True)
class SearchedKey:
    """One key and the values to try.

    Attributes:
        key: Its name as on the command line: `learning_rate`, `tasks.news.lr_scale`.
        where: File and line.
        low: Smallest number of a range.
        high: Largest number of a range.
        log: Whether the logarithm of a number is what is spread evenly.
        step: Distance of the numbers of a range.
        choices: The values, if it is no range.
    """

    key: str
    where: str
    low: float = 0
    high: float = 0
    log: bool = False
    step: float | None = None
    choices: tuple[Value, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether a range is of whole numbers, as both ends are."""
        return all(isinstance(each, int) for each in (self.low, self.high, self.step or 1))

    @property
    def samples(self) -> tuple[Value, ...]:
        """Values that stand for all of them in a check: the ends of a range and a point within, or every choice."""
        if self.choices:
            return self.choices
        if self.whole:
            return (self.low, self.high)
        if self.log:
            within = self.low * (self.high / self.low) ** _WITHIN
        else:
            within = self.low + (self.high - self.low) * _WITHIN
            within = within if self.step is None else self.low + self.step
        return (self.low, within, self.high)

    def holds(self, value: Value) -> bool:
        """Whether `value` is one of those to try."""
        if self.choices:
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9)

    def plain(self) -> dict[str, object]:
        """As it is kept with the results."""
        if self.choices:
            return {_CHOICES: list(self.choices)}
        return {"low": self.low, "high": self.high, "log": self.log, "step": self.step}


def word_of(key: str, value: Value) -> str:
    """An override as on the command line: `learning_rate=3e-05`."""
    return f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def read_space(
    search: Mapping[str, Value], where: Mapping[tuple[str, ...], str], place: str
) -> tuple[SearchedKey, ...]:
    """The searched keys of `search:`.

    Args:
        search: Its content.
        where: File and line of each of its keys, by the path of keys to it.
        place: File and line of `search:` itself.

    Raises:
        ConfigError: Everything that is wrong with their form.
    """
    found: list[SearchedKey] = []
    problems: list[Problem] = []
    for path, given in _flat(search):
        key, at = ".".join(path), where.get(path, place)
        parsed = _key_of(_canonical(key), given, at)
        if isinstance(parsed, str):
            problems.append(Problem(at, f"search.{key}: {parsed}"))
        elif any(parsed.key == each.key for each in found):
            rule = f"search.{key}: a key is searched once, whatever its form."
            problems.append(Problem(at, f"{rule} Found `{parsed.key}` twice. Remove one."))
        else:
            found.append(parsed)
    if not search:
        problems.append(
            Problem(place, "`search` needs at least one key. Found none. Add `learning_rate: [1e-5, 5e-4, log]`.")
        )
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _flat(search: Mapping[str, Value], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Value]]:
    """The keys of the run, and those under `tasks: <name>:`, which may also be written `tasks.<name>.<key>`."""
    for name, given in search.items():
        inner = path in ((), ("tasks",)) and (name == "tasks" or path == ("tasks",))
        if inner and isinstance(given, Mapping):
            yield from _flat(given, (*path, name))
        else:
            yield (*path, name), given


def _canonical(key: str) -> str:
    before, dot, name = key.rpartition(".")
    name = name.replace("-", "_")
    return f"{before}{dot}{ALIASES.get(name, name)}"


def _key_of(key: str, given: Value, where: str) -> SearchedKey | str:
    """The searched key, or what is wrong with it."""
    if isinstance(given, Mapping):
        return _of_mapping(key, given, where)
    if isinstance(given, list) and len(given) in (2, 3) and all(map(_is_number, given[:2])):
        if given[2:] not in ([], [_LOG]):
            return f"the third of a range is `{_LOG}` or nothing. Found `{given[2]}`: {FORM}."
        return _range(key, where, given[0], given[1], log=len(given) == 3, step=None)
    return f"a range of numbers or choices are expected. Found `{_shown(given)}`: {FORM}."


def _of_mapping(key: str, given: Mapping[str, Value], where: str) -> SearchedKey | str:
    unknown = [name for name in given if name not in (*_RANGE_KEYS, _CHOICES)]
    if unknown:
        hint = did_you_mean(unknown[0], [*_RANGE_KEYS, _CHOICES])
        return f"it has `{_CHOICES}`, or `low` and `high`. Found `{unknown[0]}`.{hint} {FORM.capitalize()}."
    if _CHOICES in given:
        return _choices(key, given, where)
    if not all(_is_number(given.get(name)) for name in ("low", "high")):
        return f"a range has the numbers `low` and `high`. Found `{_shown(dict(given))}`: {FORM}."
    log, step = given.get("log", False), given.get("step")
    if not isinstance(log, bool) or not (step is None or (_is_number(step) and step > 0)):
        return f"`log` is true or false, and `step` a number above 0. Found `{_shown(dict(given))}`."
    return _range(key, where, given["low"], given["high"], log=log, step=step)


def _choices(key: str, given: Mapping[str, Value], where: str) -> SearchedKey | str:
    choices = given[_CHOICES]
    if len(given) > 1 or not isinstance(choices, list) or not 2 <= len(choices) <= _MOST_CHOICES:
        return f"`{_CHOICES}` is a list of 2 values or more, alone. Found `{_shown(dict(given))}`."
    if any(isinstance(choice, Mapping) for choice in choices):
        return "a choice is a text, a number, true, false, null or a list. Found a mapping."
    texts = [json.dumps(choice, ensure_ascii=False) for choice in choices]
    again = next((text for text in texts if texts.count(text) > 1), None)
    return f"a choice is given once. Found {again} again." if again else SearchedKey(key, where, choices=tuple(choices))


def _range(key: str, where: str, low: float, high: float, *, log: bool, step: float | None) -> SearchedKey | str:
    found = f"Found `{low}` and `{high}`"
    if not low < high:
        return f"`low` is below `high`. {found}."
    if log and low <= 0:
        return f"on a logarithmic scale both ends are above 0. {found}."
    if log and step is not None:
        return "a range has `step` or `log`, not both. Remove one of them."
    return SearchedKey(key, where, low, high, log, step)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(given: Value) -> str:
    return json.dumps(given, ensure_ascii=False, default=str)[:80]


def plain_space(space: Sequence[SearchedKey]) -> dict[str, object]:
    """The space as it is kept with the results."""
    return {each.key: each.plain() for each in space}


def shown_value(value: Value) -> str:
    """A value in a line or a table: `3.1e-05`, `16`, `true`."""
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else _shown(value)
