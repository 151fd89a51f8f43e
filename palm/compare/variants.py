"""Named variants of a configuration: `uncertainty=weighting=uncertainty`, or a YAML file of such mappings."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from palm.config.yaml_file import read_yaml
from palm.errors import ConfigError, Problem
from palm.schema.places import expanded

SINGLE = "single"
FORM = "a variant is `NAME=key=value,key=value`."
_NAME = re.compile(r"\w[\w-]{0,63}")
_NEXT_KEY = re.compile(r",(?=[A-Za-z_][\w.-]*=)")


@dataclass(frozen=True)
class Variant:
    """A variant of a configuration.

    Attributes:
        name: Its name in the table and of its folder.
        words: Its overrides, as on the command line.
    """

    name: str
    words: tuple[str, ...] = ()


def read_variants(base: str, given: Sequence[str], file: str | None) -> list[Variant]:
    """The unchanged configuration, named `base`, and its variants: first those of the file, then those of the flags.

    Raises:
        ConfigError: A name is invalid or given twice, or a variant cannot be read.
    """
    variants = [Variant(base), *(_of_file(file) if file else ()), *(_of_flag(word) for word in given)]
    problems = [problem for variant in variants for problem in _name_problems(variant.name)]
    names = [variant.name for variant in variants]
    problems += [
        Problem(name, f"a variant's name is given once. Found `{name}` {names.count(name)} times. Rename one.")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if problems:
        raise ConfigError(problems)
    return variants


def _of_flag(word: str) -> Variant:
    name, separator, rest = word.partition("=")
    pairs = _NEXT_KEY.split(rest) if rest else []
    if not separator or not all("=" in pair for pair in pairs):
        raise ConfigError(Problem("--variant", f"{FORM} Found `{word}`."))
    return Variant(name, tuple(f"--{pair.removeprefix('--')}" for pair in pairs))


def _of_file(file: str) -> Iterator[Variant]:
    document = read_yaml(expanded(file))
    for name, keys in document.data.items():
        if keys is not None and not isinstance(keys, Mapping):
            rule = "the keys of a variant are a mapping `key: value`."
            raise ConfigError(Problem(document.where(name), f"{rule} Found `{keys}`."))
        yield Variant(name, tuple(_words(keys or {})))


def _words(keys: Mapping[str, object], prefix: str = "--") -> Iterator[str]:
    for key, value in keys.items():
        if isinstance(value, Mapping):
            yield from _words(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def _name_problems(name: str) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        rule = "a variant's name consists of letters, digits, `_` and `-`, since it names a folder."
        yield Problem("variant", f"{rule} Found `{name}`.")
    if name == SINGLE:
        yield Problem("variant", f"`{SINGLE}` is the name of each task trained alone. Choose another name.")
