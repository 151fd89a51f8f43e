"""A search, checked before its first trial: every searched key with its values, by the checks of `palm check`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palm.config.components import all_schemas
from palm.config.files import load_global
from palm.config.resolve import load_run_configs
from palm.config.run_config import RunConfig
from palm.errors import ConfigError, Problem
from palm.schema.facts import facts_of
from palm.schema.validate import shown
from palm.tune.objective import Objective, objective_problems
from palm.tune.space import SearchedKey, Value, read_space, word_of

_NOT_SEARCHED = ("task_instance", "imports", "random_seed", "reader", "paradigm")


@dataclass(frozen=True)
class TunePlan:
    """A search.

    Attributes:
        file: The configuration.
        task_dir: Folder of the task files.
        overrides: Arguments of the command line that set keys.
        space: The searched keys.
        base: The configuration without values of the search.
        objective: What trials are compared by.
        seeds: The seeds that each trial is trained with.
    """

    file: str
    task_dir: str
    overrides: tuple[str, ...]
    space: tuple[SearchedKey, ...]
    base: RunConfig
    objective: Objective
    seeds: tuple[int, ...]

    @property
    def folder(self) -> Path:
        """save_path, which holds the results and a folder for each trial."""
        return Path(self.base.run.save_path)

    def config(self, values: Mapping[str, Value], seed: int, save_path: Path) -> dict[str, object]:
        """The whole configuration of a trial, as `palm train` takes it.

        Raises:
            ConfigError: The values do not go together.
        """
        words = [word_of(key, value) for key, value in values.items()]
        found = _load(self.file, self.task_dir, [*self.overrides, *words, f"random_seed={seed}"])
        return {**found.resolved, "resume": "never", "save_path": save_path.as_posix()}

    def own_values(self) -> dict[str, Value] | None:
        """The values of the configuration itself, where the search holds all of them: they are tried first."""
        values = {each.key: _value_of(self.base.resolved, each.key) for each in self.space}
        return values if all(each.holds(values[each.key]) for each in self.space) else None


def make_plan(file: str, *, task_dir: str, overrides: Sequence[str], seeds: int) -> TunePlan:
    """Read a configuration and its `search:`, and check every key of it.

    Args:
        file: The global file.
        task_dir: Folder of the task files.
        overrides: Arguments of the command line that set keys.
        seeds: Number of seeds of each trial, counted from random_seed.

    Raises:
        ConfigError: Everything that is wrong.
    """
    main = load_global(file)
    if main.search is None:
        rule = "`palm tune` needs `search:`, the keys to search and their values."
        raise ConfigError(
            Problem(main.name, f"{rule} Found none. Write `search: {{learning_rate: [1e-5, 5e-4, log]}}`.")
        )
    space = read_space(main.search.keys, main.search.places, main.search.where)
    base = _load(file, task_dir, overrides)
    problems = [*objective_problems(base, main.search.where), *_searchable(space, overrides)]
    if not problems:
        problems = _value_problems(file, task_dir, overrides, space)
    if problems:
        raise ConfigError(problems)
    first = base.train.random_seed
    numbers = tuple(range(first, first + seeds))
    return TunePlan(file, task_dir, tuple(overrides), space, base, Objective.of(base), numbers)


def _load(file: str, task_dir: str, words: Sequence[str]) -> RunConfig:
    return load_run_configs(file, task_dir=task_dir, overrides=words, wiring=True, searching=True)[-1]


def _value_of(resolved: Mapping[str, object], key: str) -> Value:
    """The present value of a key; that of the first task for a key of all tasks."""
    *path, name = key.split(".")
    tasks = resolved.get("tasks")
    if path and isinstance(tasks, Mapping):
        return tasks.get(path[1], {}).get(name)
    if name in resolved or not isinstance(tasks, Mapping):
        return resolved.get(name)
    return next((keys[name] for keys in tasks.values() if name in keys), None)


def _searchable(space: Sequence[SearchedKey], overrides: Sequence[str]) -> list[Problem]:
    """Keys that make no better model, and keys that are given on the command line as well."""
    problems = []
    facts = {key: facts_of(field) for _, schema in all_schemas() for key, field in schema.model_fields.items()}
    given = {word.removeprefix("--").split("=")[0].replace("-", "_") for word in overrides}
    for each in space:
        name = each.key.rpartition(".")[2]
        if name in _NOT_SEARCHED or (name in facts and facts[name].changes != "result"):
            rule = f"search.{each.key}: a searched key changes the trained model."
            problems.append(
                Problem(each.where, f"{rule} Found `{name}`, by which trials could not be compared. Remove it.")
            )
        if each.key in given:
            rule = f"search.{each.key}: a searched key has no other value."
            problems.append(Problem(each.where, f"{rule} Found it on the command line, too. Remove one of them."))
    return problems


def _value_problems(file: str, task_dir: str, overrides: Sequence[str], space: Sequence[SearchedKey]) -> list[Problem]:
    """What `palm check` says of each value, with the line of the search."""
    problems: dict[tuple[str, str], Problem] = {}
    for each in space:
        for value in each.samples:
            for said in _said_of(file, task_dir, [*overrides, word_of(each.key, value)], each.key):
                message = f"search.{each.key}: {said}"
                # What is wrong with the key itself is found with each of its values.
                problems.setdefault((each.key, said.replace(shown(value), "")), Problem(each.where, message))
    return list(problems.values())


def _said_of(file: str, task_dir: str, words: Sequence[str], key: str) -> list[str]:
    """What is wrong with a configuration, or the warnings about `key` in it."""
    try:
        config = _load(file, task_dir, words)
    except ConfigError as error:
        return [problem.message for problem in error.problems]
    return [warning.message for warning in config.warnings if warning.where == key]
