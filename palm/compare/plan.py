"""The runs of a comparison; everything is checked before the first of them starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palm.compare.variants import SINGLE, Variant
from palm.config.components import run_schemas
from palm.config.resolve import load_run_config
from palm.config.run_config import RunConfig
from palm.errors import ConfigError, Problem
from palm.schema.facts import keys_where
from palm.schema.fields import Schema
from palm.schema.settings import TaskSettings
from palm.storage.layout import COMPARE_FOLDER

COSINES = "log_gradient_cosines_every_n_steps"
COSINES_EVERY = 20


@dataclass(frozen=True)
class Job:
    """One run of a comparison.

    Attributes:
        name: The variant, or `single`.
        task: The task, where it trains alone.
        seed: `random_seed` of the run.
        targets: Tasks that it exports.
        config: The whole configuration of the run, as `Controller` takes it.
    """

    name: str
    task: str | None
    seed: int
    targets: tuple[str, ...]
    config: Mapping[str, object]

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return Path(str(self.config["save_path"]))


@dataclass(frozen=True)
class Plan:
    """A comparison.

    Attributes:
        folder: save_path; it holds the reports, and the runs in a subfolder.
        variants: Names of the variants; the unchanged configuration comes first.
        seeds: The seeds.
        targets: The tasks that are compared.
        configs: The configuration of each variant and seed.
    """

    folder: Path
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    targets: tuple[str, ...]
    configs: Mapping[tuple[str, int], RunConfig]

    @property
    def size(self) -> int:
        """Number of runs."""
        return len(self.seeds) * (len(self.variants) + len(self.targets))

    def together(self, variant: str, seed: int) -> Job:
        """All tasks in one run."""
        config = dict(self.configs[variant, seed].resolved)
        config |= {"resume": "never", "save_path": self._folder(variant, seed)}
        if variant == self.variants[0] and config[COSINES] == -1:
            config[COSINES] = COSINES_EVERY
        return Job(variant, None, seed, self.targets, config)

    def alone(self, task: str, seed: int, steps: int) -> Job:
        """The target `task` alone, for `steps` steps; everything else is as in the first variant."""
        steps = max(steps, 1)  # a task that stopped early may have had none
        resolved = self.configs[self.variants[0], seed].resolved
        tasks = resolved["tasks"]
        keys = dict(tasks[task]) if isinstance(tasks, Mapping) else {}
        config = {
            **resolved,
            **_defaults_alone(run_schemas()),
            "task_instance": [task],
            "tasks": {task: keys | _defaults_alone([TaskSettings])},
            "num_epochs": steps,  # more than enough: max_steps ends the run
            "max_steps": steps,
            "resume": "never",
            "save_path": self._folder(SINGLE, seed, task),
        }
        return Job(SINGLE, task, seed, (task,), config)

    def _folder(self, name: str, seed: int, task: str = "") -> str:
        return str(self.folder / COMPARE_FOLDER / name / task / f"seed_{seed}")


def _defaults_alone(schemas: Sequence[type[Schema]]) -> dict[str, object]:
    """Defaults for a task that trains alone of the keys that are about several tasks.

    There is nothing to share steps with, no metric of another task to be judged by, and it trains its whole budget.
    """
    fields = {key: field for schema in schemas for key, field in schema.model_fields.items()}
    return {key: fields[key].get_default(call_default_factory=True) for key in keys_where(fields, alone="default")}


def make_plan(config: str, *, task_dir: str, overrides: Sequence[str], variants: Sequence[Variant], seeds: int) -> Plan:
    """Read the configuration with every variant and seed.

    Args:
        config: The global file.
        task_dir: Folder of the task files.
        overrides: Arguments of the command line that set keys.
        variants: The unchanged configuration, and what to compare with it.
        seeds: Number of seeds, counted from random_seed.

    Raises:
        ConfigError: With everything that is wrong.
    """
    first = load_run_config(config, task_dir=task_dir, overrides=overrides)
    numbers = tuple(range(first.train.random_seed, first.train.random_seed + seeds))
    targets = tuple(task.name for task in first.tasks if task.settings.target)
    problems = _cannot_compare(first, config)
    if problems:
        raise ConfigError(problems)
    configs = {}
    for variant in variants:
        for seed in numbers:
            words = [*overrides, *variant.words, f"--random_seed={seed}"]
            try:
                configs[variant.name, seed] = load_run_config(config, task_dir=task_dir, overrides=words)
            except ConfigError as error:
                problems += [Problem(f"variant {variant.name}: {each.where}", each.message) for each in error.problems]
                break
        else:
            problems += _other_targets(variant, configs[variant.name, numbers[0]], targets)
    if problems:
        raise ConfigError(problems)
    names = tuple(variant.name for variant in variants)
    plan = Plan(Path(first.run.save_path), names, numbers, targets, configs)
    _check_alone(plan)
    return plan


def _cannot_compare(config: RunConfig, file: str) -> list[Problem]:
    problems = []
    if config.stage:
        rule = "a comparison is of a single run, not of several stages."
        problems.append(Problem(file, f"{rule} Found `stages`. Write the stage to compare into a file of its own."))
    if len(config.tasks) < 2:
        rule = "a comparison needs tasks that train together."
        problems.append(Problem(file, f"{rule} Found `{config.tasks[0].name}` alone. Add a task, target or auxiliary."))
    for task in config.tasks:
        if task.settings.target and task.settings.dev_file is None:
            rule = "a target is compared by its metrics on dev_file. Found no dev_file."
            problems.append(Problem(f"tasks.{task.name}.dev_file", f"{rule} Set it."))
    return problems


def _check_alone(plan: Plan) -> None:
    """Make sure that each task can train alone, before anything trains.

    Raises:
        ConfigError: With everything that is wrong.
    """
    problems = []
    for task in plan.targets:
        try:
            load_run_config(plan.alone(task, plan.seeds[0], steps=1).config)
        except ConfigError as error:
            problems += [Problem(f"{task} alone: {each.where}", each.message) for each in error.problems]
    if problems:
        raise ConfigError(problems)


def _other_targets(variant: Variant, config: RunConfig, targets: Sequence[str]) -> list[Problem]:
    found = [task.name for task in config.tasks if task.settings.target and task.settings.dev_file is not None]
    if found == list(targets):
        return []
    rule = f"every variant has the same targets ({', '.join(targets)}), each with a dev_file."
    return [Problem(f"variant {variant.name}", f"{rule} Found {', '.join(found) or 'none'}.")]
