"""From configuration files and overrides to a `RunConfig`: every key merged, typed, and read by somebody."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from palm.backbone.base import BACKBONES
from palm.config.components import backbone_schemas
from palm.config.describe import explain_rows, plain_keys, resolved_mapping
from palm.config.merge import Merged, merge
from palm.config.methods import method_configs, read_methods, unused_values
from palm.config.run_config import RunConfig, TaskConfig
from palm.config.selection_checks import TaskMetrics, check_followed, selection_problems
from palm.config.sources import Sources, read_sources
from palm.config.stages import follow_on, named_by_stage
from palm.config.task_checks import check_gradient_method, check_tasks, head_keys, row_sharing_problems
from palm.config.unknown_keys import KnownKeys, near_misses
from palm.config.unused_keys import with_warnings
from palm.engine.methods import Methods
from palm.errors import ConfigError, Problem
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.registry import did_you_mean
from palm.schema.fields import BackboneFields
from palm.schema.settings import RunSettings, TaskSettings, TrainSettings
from palm.schema.validate import validate
from palm.schema.values import Resolved, Setting

_NO_VOCABULARY = (
    "a run needs `vocab_path`. Found none, and no vocab.txt beside pre-trained weights. "
    "Name a vocabulary, one word-piece a line."
)


def load_run_config(
    config: str | Path | Mapping[str, object],
    *,
    task_dir: str = ".",
    for_train: bool = True,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """As `load_run_configs`; the last stage where there are several."""
    return load_run_configs(config, task_dir=task_dir, for_train=for_train, overrides=overrides)[-1]


def load_run_configs(
    config: str | Path | Mapping[str, object],
    *,
    task_dir: str = ".",
    for_train: bool = True,
    overrides: Sequence[str] = (),
) -> list[RunConfig]:
    """Read, merge and check a configuration: a run, or one a stage.

    Args:
        config: The global file, or its content.
        task_dir: Folder of the task files.
        for_train: Whether training data is needed; otherwise the run only predicts or evaluates.
        overrides: Words of the command line, such as `["--learning_rate", "1e-4"]`.

    Raises:
        ConfigError: With everything that is wrong, in all stages.

    """
    stages = [
        (sources, merge(sources, "train" if for_train else "predict"))
        for sources in read_sources(config, task_dir, overrides)
    ]
    known = set().union(*(_known_keys(merged).broadcast() for _, merged in stages))
    configs, found = [], {}
    for sources, merged in stages:
        try:
            configs.append(_resolve(sources, merged, known, for_train=for_train))
        except ConfigError as error:
            found[sources.stage] = error.problems
    if found:
        raise ConfigError(named_by_stage(found, len(stages)))
    configs = follow_on(configs)
    return with_warnings(configs, [merged for _, merged in stages]) if for_train else configs


def _resolve(sources: Sources, merged: Merged, elsewhere: Collection[str], *, for_train: bool) -> RunConfig:
    """The run, or a stage of it.

    Args:
        sources: What was written about it.
        merged: The same, one value a key.
        elsewhere: Keys that this or another stage reads.
        for_train: Whether training data is needed.

    Raises:
        ConfigError: With everything that is wrong.

    """
    problems = [*sources.problems, *merged.problems, *_unread_keys(sources, merged, elsewhere)]
    run, train = _run_settings(sources, merged, problems)
    methods, wrong = read_methods(merged.run, home=sources.main.name)
    problems += wrong
    backbone_config = _backbone_config(sources, merged, problems, required=for_train)
    tasks = [task for name in sources.names for task in _task(name, sources, merged, problems)]
    settings = {task.name: task.settings for task in tasks}
    problems += check_tasks(settings, merged.tasks, names=sources.names, for_train=for_train)
    if for_train and train is not None and len(tasks) == len(sources.names):
        problems += selection_problems(train, [_judged(task) for task in tasks], merged.run, merged.tasks)
        problems += check_followed(settings, train, methods.dev_metric_keys if methods else (), merged.run)
    if for_train and train is not None:
        problems += row_sharing_problems(train, settings, merged.tasks)
    if for_train and train is not None and "weighting" in merged.run:
        problems += check_gradient_method(train, settings, merged.run["weighting"].setting.where)
    if for_train and run is not None and run.vocab_path is None:
        problems.append(Problem(sources.main.name, _NO_VOCABULARY))
    if problems or run is None or train is None or methods is None:
        raise ConfigError(list(dict.fromkeys(problems)))
    heads = head_keys(settings)
    placed = [replace(task, head=heads[task.name]) for task in tasks]
    return replace(_finish(merged, run, train, methods, backbone_config, placed), stage=sources.stage)


def _known_keys(merged: Merged) -> KnownKeys:
    return KnownKeys.of(backbone_schemas(merged.backbone_name), merged.schemas)


def _unread_keys(sources: Sources, merged: Merged, elsewhere: Collection[str]) -> Iterator[Problem]:
    known = _known_keys(merged)
    for flat in (sources.flags.flat, sources.main.flat):
        shared = {key: setting for key, setting in flat.items() if key in sources.shared}
        yield from known.unread_global(shared, elsewhere)
        yield from known.unread_global({key: setting for key, setting in flat.items() if key not in shared})
    for name in sources.names:
        for layer in (sources.flags.tasks, sources.main.tasks, sources.files):
            yield from known.unread_of_task(name, layer.get(name, {}))


def _run_settings(
    sources: Sources, merged: Merged, problems: list[Problem]
) -> tuple[RunSettings | None, TrainSettings | None]:
    home = sources.main.name
    names = Setting("task_instance", list(sources.names), home)
    given = merged.run.get("task_instance")
    values = {**merged.run, "task_instance": replace(given, setting=names) if given else Resolved(names)}
    run, wrong_in_run = validate(RunSettings, values, owner="the run", home=home)
    train, wrong_in_training = validate(TrainSettings, merged.run, owner="training", home=home)
    problems += wrong_in_run + wrong_in_training
    return run, train


def _backbone_config(
    sources: Sources, merged: Merged, problems: list[Problem], *, required: bool
) -> BackboneFields | None:
    name = merged.backbone_name
    if name not in BACKBONES:
        where = merged.run["backbone"].setting.where if "backbone" in merged.run else sources.main.name
        problems.append(Problem(where, _unknown("backbone", list(BACKBONES), name)))
        return None
    schema = BACKBONES[name].Config
    problems += near_misses(merged.backbone_file, schema, merged.backbone)
    path = merged.run.get("backbone_config_path")
    home = str(path.setting.value) if path and path.setting.value else sources.main.name
    backbone_config, wrong = validate(schema, merged.backbone, owner=f"backbone {name}", home=home)
    missing = [key for key, field in schema.model_fields.items() if field.is_required() and key not in merged.backbone]
    if not merged.backbone_file and missing:
        problems += [_no_backbone_config(sources.main.name, name, missing)] if required and not _lost(path) else []
        return None
    problems += wrong
    return backbone_config


def _lost(path: Resolved | None) -> bool:
    """Whether a backbone file was named; that it is missing or wrong has been reported."""
    return path is not None and path.setting.value is not None


def _no_backbone_config(home: str, name: str, missing: Sequence[str]) -> Problem:
    rule = f"backbone {name} needs its sizes."
    advice = "Set backbone_config_path (a JSON file), or a pretrain_model_path with config.json beside the weights."
    return Problem(home, f"{rule} Found no {', '.join(missing)}. {advice}")


def _task(name: str, sources: Sources, merged: Merged, problems: list[Problem]) -> Iterator[TaskConfig]:
    """The task, or nothing where something in it is wrong."""
    values, schemas = merged.tasks[name], merged.schemas[name]
    owner, home = f"task {name}", sources.homes[name]
    if not sources.files.get(name) and not sources.main.tasks.get(name) and "reader" not in values:
        return  # that the task's file is missing has been reported
    settings, wrong = validate(TaskSettings, values, owner=owner, home=home)
    problems += wrong
    for key, registered in (("reader", list(READERS)), ("paradigm", list(PARADIGMS))):
        given = values[key].setting if key in values else None
        if given and isinstance(given.value, str) and given.value not in registered:
            problems.append(Problem(given.where, _unknown(key, registered, given.value)))
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


def _judged(task: TaskConfig) -> TaskMetrics:
    paradigm = PARADIGMS[task.paradigm_name](task.paradigm)
    return TaskMetrics(task.name, task.settings, task.settings.metrics or paradigm.default_metrics)


def _unknown(kind: str, registered: list[str], name: str) -> str:
    return f"unknown {kind} `{name}`.{did_you_mean(name, registered)} Registered: {', '.join(registered)}."


def _finish(
    merged: Merged,
    run: RunSettings,
    train: TrainSettings,
    methods: Methods,
    backbone_config: BackboneFields | None,
    tasks: Sequence[TaskConfig],
) -> RunConfig:
    shared = [run, train, *method_configs(methods), *([backbone_config] if backbone_config else [])]
    of_tasks = {task.name: [task.settings, task.reader, task.paradigm] for task in tasks}
    unused = unused_values(merged.run)
    rows = [*explain_rows({**plain_keys([run, train, *method_configs(methods)]), **unused}, merged.run)]
    rows += explain_rows(plain_keys([backbone_config] if backbone_config else []), merged.backbone)
    for name, schemas in of_tasks.items():
        rows += explain_rows(plain_keys(schemas), merged.tasks[name], f"tasks.{name}.")
    resolved = {**unused, **resolved_mapping(shared, of_tasks)}
    return RunConfig(run, train, methods, merged.backbone_name, backbone_config, tuple(tasks), resolved, tuple(rows))
