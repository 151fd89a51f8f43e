"""Reads a YAML file into plain data and remembers the line of every key.

Scalars follow YAML 1.2's core schema: `3e-5` is a number, and `no`, `on`, `1:30` and dates stay text (a boolean
field accepts `no` as false). Only plain data is built: a tag such as `!!python/object` is an error.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from palm.errors import ConfigError, Problem
from palm.schema.places import read_text

MOST_NODES = 20_000
DEEPEST = 50
_TAG = "tag:yaml.org,2002:"
_PLAIN = "a value must be text, a number, true, false, null, a list or a mapping."


@dataclass(frozen=True)
class YamlFile:
    """The content of a YAML file.

    Attributes:
        file: Its path in messages.
        data: The top-level mapping as plain data.
        lines: Line of each key, by the path of keys to it: `("tasks", "mrqa", "reader")`; None for a mapping
            that is not from a file.

    """

    file: str
    data: dict[str, object]
    lines: dict[tuple[str, ...], int] | None

    def where(self, *path: str) -> str:
        """`file:line` of a key; `file.key` without lines."""
        return ".".join((self.file, *path)) if self.lines is None else f"{self.file}:{self.lines.get(path, 1)}"


class _Composer(yaml.SafeLoader):
    """PyYAML's scanner and composer with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own attribute)


def _resolve(name: str, pattern: str, first: str) -> None:
    _Composer.add_implicit_resolver(_TAG + name, re.compile(f"^(?:{pattern})$"), list(first))


_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("null", "~|null|Null|NULL|", "~nN")
_Composer.yaml_implicit_resolvers[""] = [(_TAG + "null", re.compile("^$"))]
_resolve("int", r"[-+]?(?:0|[1-9][0-9]{0,3999})", "-+0123456789")
_resolve("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.123456789")
_resolve("float", r"0(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?", "0")  # 007 stays text: the name of an agent, not a number
_resolve("merge", "<<", "<")


def read_yaml(file: Path) -> YamlFile:
    """Read a configuration file.

    Raises:
        ConfigError: With file and line: not UTF-8, not YAML, not a mapping, a repeated key, a tag, too deep, too large.

    """
    return parse_yaml(read_text(file, str(file)), str(file))


def parse_yaml(text: str, name: str) -> YamlFile:
    """Parse `text`, named `name` in messages. Raises ConfigError like `read_yaml`."""
    try:
        node = yaml.compose(text, _Composer)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(_not_yaml(error, text, name)) from None
    if node is None:
        raise ConfigError(Problem(f"{name}:1", "a configuration must be a mapping `key: value`. Found an empty file."))
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        found = "a list" if isinstance(node, yaml.SequenceNode) else f"`{str(node.value)[:40]}`"
        rule = f"a configuration must be a mapping `key: value`. Found {found}. Write one `key: value` per line."
        raise ConfigError(Problem(f"{name}:{line}", rule))
    walk = _Walk(name)
    data = walk.mapping(node, ())
    if walk.problems:
        raise ConfigError(walk.problems)
    return YamlFile(name, data, walk.lines)


def _not_yaml(error: yaml.YAMLError | RecursionError, text: str, name: str) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return Problem(f"{name}:{mark.line + 1 if mark else 1}", _yaml_message(error))
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(f"{name}:{line}", f"YAML only contains printable text. Found character {error.character!r}.")
    return Problem(f"{name}:1", f"a configuration nests at most {DEEPEST} levels deep. Found more.")


def _yaml_message(error: yaml.MarkedYAMLError) -> str:
    if "'\\t'" in (error.problem or ""):
        return "YAML is indented with blanks. Found a tab. Replace it by blanks."
    context = f" ({error.context})" if error.context else ""
    return f"the file must be YAML. Found: {error.problem}{context}. Check quotes, colons and indentation."


@dataclass
class _Walk:
    """Converts composed nodes to plain data; counts them, so that nested aliases cannot explode."""

    name: str
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0

    def mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged = {**self._merge(value_node, path), **merged}
                continue
            key = self._key(key_node, own, path)
            if key is not None:
                place = (*path, key)
                self.lines[place] = key_node.start_mark.line + 1
                own[key] = self.plain(value_node, place)
        return {**merged, **own}

    def plain(self, node: yaml.Node, path: tuple[str, ...]) -> object:
        self._admit(node, path)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, str(index))) for index, item in enumerate(node.value)]
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        try:
            return _CONVERT[kind](text)
        except (KeyError, ValueError):
            found = f"`{node.tag}` with `{text[:40]}`"
            self.problems.append(Problem(self._where(node), f"{_PLAIN} Found {found}. Remove the tag."))
            return None

    def _admit(self, node: yaml.Node, path: tuple[str, ...]) -> None:
        """Count a value; tags of mappings and lists are problems."""
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > DEEPEST:
            rule = f"a configuration holds at most {MOST_NODES} values, {DEEPEST} levels deep, aliases expanded."
            raise ConfigError(Problem(self._where(node), f"{rule} Found more. Write it without nested aliases."))
        if not isinstance(node, yaml.ScalarNode) and node.tag not in (_TAG + "map", _TAG + "seq"):
            self.problems.append(Problem(self._where(node), f"{_PLAIN} Found `{node.tag}`. Remove the tag."))

    def _where(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def _merge(self, node: yaml.Node, path: tuple[str, ...]) -> dict[str, object]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, object] = {}
        for source in sources:
            value = self.plain(source, (*path, "<<"))
            if not isinstance(value, dict):
                self.problems.append(Problem(self._where(node), "`<<` must merge mappings. Found something else."))
                continue
            for key in value:
                self.lines.setdefault((*path, key), self.lines.get((*path, "<<", key), node.start_mark.line + 1))
            merged = {**value, **merged}
        return merged

    def _key(self, node: yaml.Node, known: dict[str, object], path: tuple[str, ...]) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self.problems.append(Problem(self._where(node), "a key must be a word. Found a list or a mapping."))
            return None
        key = str(node.value)
        if key in known:
            place = (*path, key)
            first = self.lines[place]
            message = f"a key is given once. Found `{key}` again, first on line {first}. Remove one of them."
            self.problems.append(Problem(self._where(node), message))
            return None
        return key


_CONVERT: dict[str, Callable[[str], object]] = {
    "str": str,
    "bool": lambda text: text.lower() == "true",
    "null": lambda text: None,
    "int": int,
    "float": float,
}
