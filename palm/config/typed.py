"""Stage 4 of configuration: merged values become typed keys in the schemas of their components."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

from palm.backbone.base import BACKBONES, Backbone
from palm.config.merge import Merged, Values
from palm.config.methods import read_methods
from palm.config.run_config import TaskConfig
from palm.data.tokenizer import Tokenizer
from palm.engine.methods import Methods
from palm.errors import Problem
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.registry import did_you_mean
from palm.schema.fields import BackboneFields
from palm.schema.run_settings import RunSettings
from palm.schema.settings import TaskSettings, TrainSettings
from palm.schema.validate import shown, validate
from palm.schema.values import Layer, Resolved, Setting
from palm.spec import Phase

_LEAST_LIKENESS = 0.8


@dataclass(frozen=True)
class TypedConfig:
    """A run or a stage with its valid keys, the input of the checks.

    Attributes:
        phase: Purpose of the run.
        names: All tasks of the run.
        tasks: Those of them with valid keys.
        run: Tasks, backbone and paths; None if not valid, as for all that follow.
        train: Keys of the training engine.
        methods: Keys of the components that `train` names.
        backbone_config: Keys of the backbone.
        run_values: Source of each key of the run.
        task_values: Source of each key of each task.
        problems: Problems of single keys.
        merged: The merged values; None if no file was read.
        elsewhere: Keys that any stage of the run reads.
        backbone: The backbone and
        tokenizer: the tokenizer, for checking that the components fit together.

    """

    phase: Phase
    names: tuple[str, ...]
    tasks: tuple[TaskConfig, ...]
    run: RunSettings | None = None
    train: TrainSettings | None = None
    methods: Methods | None = None
    backbone_config: BackboneFields | None = None
    run_values: Values = field(default_factory=dict)
    task_values: Mapping[str, Values] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    merged: Merged | None = None
    elsewhere: frozenset[str] = frozenset()
    backbone: Backbone | None = None
    tokenizer: Tokenizer | None = None

    @property
    def for_train(self) -> bool:
        """Whether the run trains."""
        return self.phase == "train"

    @property
    def settings(self) -> dict[str, TaskSettings]:
        """Keys of the tasks, by their names."""
        return {task.name: task.settings for task in self.tasks}

    @property
    def all_tasks_typed(self) -> bool:
        """Whether the keys of every task are valid."""
        return len(self.tasks) == len(self.names)

    def where(self, key: str, task: str | None = None) -> str:
        """Source of a key of the run or of a task; its name if it was not written."""
        values = self.run_values if task is None else self.task_values.get(task, {})
        known = values.get(key)
        return known.setting.where if known else key if task is None else f"tasks.{task}.{key}"


def type_keys(merged: Merged) -> TypedConfig:
    """The keys of a run or a stage, and the problems of single keys."""
    sources = merged.sources
    problems = [*sources.problems, *merged.problems]
    run, train = _run_settings(merged, problems)
    methods, wrong = read_methods({**merged.defaults, **merged.run}, home=sources.main.name)
    problems += wrong
    backbone_config = _backbone_config(merged, problems)
    tasks = [task for name in sources.names for task in _task(name, merged, problems)]
    heads = head_keys({task.name: task.settings for task in tasks})
    return TypedConfig(
        merged.phase,
        sources.names,
        tuple(replace(task, head=heads[task.name]) for task in tasks),
        run,
        train,
        methods,
        backbone_config,
        merged.run,
        merged.tasks,
        tuple(problems),
        merged,
    )


def head_keys(tasks: Mapping[str, TaskSettings]) -> dict[str, str]:
    """The first task of each group of tasks that share a head, directly or through others, by task."""
    head = {name: name for name in tasks}
    for name, settings in tasks.items():
        other = settings.share_head_with
        if other is not None and other in head:
            joined = {head[name], head[other]}
            first = next(key for key in tasks if key in joined)
            head = {key: first if group in joined else group for key, group in head.items()}
    return head


def _run_settings(merged: Merged, problems: list[Problem]) -> tuple[RunSettings | None, TrainSettings | None]:
    home = merged.sources.main.name
    names = Setting("task_instance", list(merged.sources.names), home)
    given = merged.run.get("task_instance")
    values = {**merged.run, "task_instance": replace(given, setting=names) if given else Resolved(names)}
    run, wrong_in_run = validate(RunSettings, values, owner="the run", home=home)
    train, wrong_in_training = validate(TrainSettings, {**merged.defaults, **merged.run}, owner="training", home=home)
    problems += wrong_in_run + wrong_in_training
    return run, train


def _backbone_config(merged: Merged, problems: list[Problem]) -> BackboneFields | None:
    name, main = merged.backbone_name, merged.sources.main.name
    if name not in BACKBONES:
        where = merged.run["backbone"].setting.where if "backbone" in merged.run else main
        problems.append(Problem(where, _unknown("backbone", list(BACKBONES), name)))
        return None
    schema = BACKBONES[name].Config
    problems += _near_misses(merged.backbone_file, schema, merged.backbone)
    path = merged.run.get("backbone_config_path")
    home = str(path.setting.value) if path and path.setting.value else main
    backbone_config, wrong = validate(schema, merged.backbone, owner=f"backbone {name}", home=home)
    missing = [key for key, field in schema.model_fields.items() if field.is_required() and key not in merged.backbone]
    if not merged.backbone_file and missing:
        required = merged.phase == "train" and not _lost(path) and not merged.encoder.unknown
        problems += [_no_backbone_config(main, name, missing)] if required else []
        return None
    problems += wrong
    return backbone_config


def _lost(path: Resolved | None) -> bool:
    """Whether a backbone file was named; if missing or invalid, it has been reported."""
    return path is not None and path.setting.value is not None


def _no_backbone_config(home: str, name: str, missing: Sequence[str]) -> Problem:
    rule = f"backbone {name} needs its config."
    advice = "Set backbone_config_path (a JSON file), or a pretrain_model_path with config.json next to the weights."
    return Problem(home, f"{rule} Found no {', '.join(missing)}. {advice}")


def _task(name: str, merged: Merged, problems: list[Problem]) -> Iterator[TaskConfig]:
    """The task, or None if it is not valid."""
    sources, values, schemas = merged.sources, merged.tasks[name], merged.schemas[name]
    owner, home = f"task {name}", sources.homes[name]
    if not sources.files.get(name) and not sources.main.tasks.get(name) and "reader" not in values:
        return  # a missing task file has been reported
    settings, wrong = validate(TaskSettings, values, owner=owner, home=home)
    problems += wrong
    for key, registered in (("reader", list(READERS)), ("paradigm", list(PARADIGMS))):
        given = values[key].setting if key in values else None
        if given and _is_name(given.value) and str(given.value) not in registered:
            problems.append(Problem(given.where, _unknown(key, registered, str(given.value))))
    if schemas.reader is None or schemas.paradigm is None:
        return
    reader, wrong = validate(schemas.reader, values, owner=f"reader {values['reader'].setting.value}", home=home)
    problems += wrong
    paradigm, wrong = validate(
        schemas.paradigm, values, owner=f"paradigm {values['paradigm'].setting.value}", home=home
    )
    problems += wrong
    if settings and reader and paradigm:
        yield TaskConfig(name, settings, settings.reader, reader, settings.paradigm, paradigm, name)


def _is_name(value: object) -> bool:
    """Whether `value` is accepted as text, as a number is."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _unknown(kind: str, registered: list[str], name: str) -> str:
    return f"unknown {kind} `{name}`.{did_you_mean(name, registered)} Registered: {', '.join(registered)}."


def _near_misses(layer: Layer, schema: type[BackboneFields], known: Iterable[str]) -> list[Problem]:
    """Unknown keys of a backbone's JSON that resemble a missing one; other unknown keys are accepted."""
    missing = [key for key in schema.model_fields if key not in set(known)]
    problems = []
    for key, setting in layer.items():
        hint = did_you_mean(key, missing) if key not in schema.model_fields else ""
        if hint and _likeness(key, hint.split("`")[1]) >= _LEAST_LIKENESS:
            rule = f"the backbone has no key `{setting.name}`."
            problems.append(Problem(setting.where, f"{rule} Found it with {shown(setting.value)}.{hint}"))
    return problems


def _likeness(word: str, other: str) -> float:
    return SequenceMatcher(None, word, other).ratio()
