"""Stage 2 of configuration: the sources of each stage of a run, with its own keys over the shared ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from palm.config.broadcast import OWN_FOLDERS, TASK_LIST, is_task_name, listed_tasks, task_names
from palm.config.files import GlobalFile, Keys
from palm.config.overrides import Overrides
from palm.config.sources import Sources
from palm.errors import ConfigError, Problem
from palm.registry import did_you_mean
from palm.schema.facts import keys_where
from palm.schema.run_settings import RunSettings
from palm.schema.settings import TrainSettings
from palm.schema.values import Layer, Setting
from palm.storage.layout import ENCODER_FOLDER

if TYPE_CHECKING:
    from palm.config.run_config import RunConfig


_OF_ALL_STAGES = [
    key for schema in (RunSettings, TrainSettings) for key in keys_where(schema.model_fields, scope="run")
]
_NO_FLAGS = Overrides({}, {})


@dataclass(frozen=True)
class StageSources:
    """The sources of a stage, or of a run without stages, as of a separate run.

    Attributes:
        main: The global file as seen by the stage.
        flags: The command line as seen by the stage.
        names: Its tasks, in order.
        files: Keys of each task with its own file.
        homes: Where a missing key of each task should be written.
        problems: The problems found so far.
        stage: Its name; empty without stages.
        shared: Keys that all stages share, and that it may not use.
        has_tasks: Whether the configuration is of the form with `tasks:`, without `task_instance` at its top.

    """

    main: GlobalFile
    flags: Overrides
    names: tuple[str, ...]
    files: Mapping[str, Layer]
    homes: Mapping[str, str]
    problems: tuple[Problem, ...]
    stage: str = ""
    shared: frozenset[str] = frozenset()
    has_tasks: bool = False


@dataclass(frozen=True)
class _StageView:
    stage: str
    main: GlobalFile
    flags: Overrides
    shared: frozenset[str]


def split_into_stages(sources: Sources) -> list[StageSources]:
    """The sources of the run, or of each of its stages.

    Raises:
        ConfigError: There is no task, or the stages are invalid, so that no further checks are possible.

    """
    main, flags = sources.main, sources.flags
    views = [_StageView("", main, flags, frozenset())]
    if main.stages is not None or flags.stages:
        wrong = stage_problems(main, flags)
        if wrong or main.stages == {}:
            raise ConfigError([*main.problems, *flags.problems, *wrong])
        views = list(stage_views(main, flags))
    stages, without_tasks = [], []
    for view in views:
        names, wrong = task_names(view.main, view.flags)
        files, homes, missing = _task_files(sources, view.main, names)
        problems = [*view.main.problems, *view.flags.problems, *wrong, *missing]
        if not names:
            without_tasks += [in_stage(problem, view.stage) if view.stage else problem for problem in problems]
        has_tasks = bool(view.main.tasks) and TASK_LIST not in main.flat
        own = StageSources(
            view.main, view.flags, tuple(names), files, homes, tuple(problems), view.stage, view.shared, has_tasks
        )
        stages.append(own)
    if without_tasks:
        raise ConfigError(without_tasks)
    return stages


def _task_files(
    sources: Sources, main: GlobalFile, names: Sequence[str]
) -> tuple[dict[str, Layer], dict[str, str], list[Problem]]:
    """Keys and home of each task, and the problems of their files."""
    files: dict[str, Layer] = {}
    homes: dict[str, str] = {}
    problems: list[Problem] = []
    for name in names:
        file, inline = sources.files[name], bool(main.tasks.get(name))
        homes[name] = main.task_places[name] if file.keys is None and inline else file.place
        problems += file.problems
        if file.keys is not None:
            files[name] = file.keys
        elif not inline and is_task_name(name):
            problems.append(Problem(main.name, _no_task_file(name, file.place)))
    return files, homes, problems


def _no_task_file(name: str, place: str) -> str:
    rule = f"task `{name}` is described in a file of its name or under `tasks:`."
    return f"{rule} Found neither; looked for {place}. Write the file, or point task_dir at its folder."


def stage_problems(main: GlobalFile, flags: Overrides) -> list[Problem]:
    """Problems of the stages: their names, and keys that a stage cannot set."""
    stages = main.stages or {}
    problems: list[Problem] = []
    for name, overrides in flags.stages.items():
        problems += overrides.problems
        if name not in stages:
            where = next((setting.where for setting in _written(overrides)), f"--stages.{name}")
            known = f"Stages: {', '.join(stages)}." if stages else "The configuration has no `stages:`."
            problems.append(Problem(where, f"there is no stage `{name}`.{did_you_mean(name, list(stages))} {known}"))
    for name, keys in stages.items():
        problems += [in_stage(problem, name) for problem in keys.problems]
        if not is_task_name(name) or name in OWN_FOLDERS:
            rule = f"a stage's name consists of letters, digits, `_` and `-`, and is not `{'`, `'.join(OWN_FOLDERS)}`."
            problems.append(Problem(keys.where, f"{rule} Found `{name}`. Choose another."))
        for layer in (keys.flat, flags.stages.get(name, _NO_FLAGS).flat):
            for key in (key for key in _OF_ALL_STAGES if key in layer):
                rule = f"`{layer[key].name}` belongs to all stages, which train one encoder in one save_path."
                problems.append(Problem(layer[key].where, f"{rule} Found it in stage `{name}`. Move it to the top."))
    if problems or not stages:  # which has been reported
        return problems
    return [*_stray_tasks(main, flags), *_tasks_called_encoder(main, flags)]


def stage_views(main: GlobalFile, flags: Overrides) -> Iterator[_StageView]:
    """Each stage in the order of the file."""
    for name, keys in (main.stages or {}).items():
        of_stage = flags.stages.get(name, _NO_FLAGS)
        own = _global_file(main, keys, of_stage, name)
        flat = _with_folder({**flags.flat, **of_stage.flat}, name)
        if "save_path" not in flat:
            own = replace(own, flat=_with_folder(own.flat, name) if "save_path" in own.flat else own.flat)
            own = own if "save_path" in own.flat else replace(own, flat={**own.flat, **_default_folder(main, name)})
        tasks = _over(flags.tasks, of_stage.tasks)
        chosen, _ = task_names(own, Overrides(flat, {}))
        tasks = {task: layer for task, layer in tasks.items() if task in chosen or task in of_stage.tasks}
        shared = (flags.flat.keys() - of_stage.flat.keys()) | (main.flat.keys() - keys.flat.keys())
        yield _StageView(name, own, Overrides(flat, tasks, flags.problems), frozenset(shared))


def in_stage(problem: Problem, stage: str) -> Problem:
    """`problem`, with the name of its stage."""
    return replace(problem, where=f"{problem.where} (stage {stage})".lstrip())


def _global_file(main: GlobalFile, keys: Keys, flags: Overrides, name: str) -> GlobalFile:
    """The global file as seen by one stage: with the tasks that it lists, else those that it describes, else all."""
    flat = {**main.flat, **keys.flat}
    tasks = _over(main.tasks, keys.tasks)
    listed = flags.flat.get(TASK_LIST) or keys.flat.get(TASK_LIST)
    if listed is not None:
        wanted = set(listed_tasks(listed) or ())
        tasks = {task: layer for task, layer in tasks.items() if task in wanted or task in keys.tasks}
    elif keys.tasks:
        flat = {key: setting for key, setting in flat.items() if key != TASK_LIST}
        tasks = {task: tasks[task] for task in keys.tasks}
    places = {**main.task_places, **keys.task_places}
    return GlobalFile(main.name, main.folder, flat, tasks, places, main.problems)


def _over(below: Mapping[str, Layer], above: Mapping[str, Layer]) -> dict[str, dict[str, Setting]]:
    return {name: {**below.get(name, {}), **above.get(name, {})} for name in {**below, **above}}


def _with_folder(layer: Layer, stage: str) -> dict[str, Setting]:
    """`layer` with the stage's subfolder as save_path."""
    given = layer.get("save_path")
    if given is None or not isinstance(given.value, str):
        return dict(layer)
    return {**layer, "save_path": replace(given, value=f"{given.value.rstrip('/')}/{stage}")}


def _default_folder(main: GlobalFile, stage: str) -> dict[str, Setting]:
    folder = RunSettings.model_fields["save_path"].default
    return {"save_path": Setting("save_path", f"{folder}/{stage}", main.stages_place)}


def _written(flags: Overrides) -> Sequence[Setting]:
    return [*flags.flat.values(), *(setting for layer in flags.tasks.values() for setting in layer.values())]


def _stray_tasks(main: GlobalFile, flags: Overrides) -> list[Problem]:
    """Tasks with keys that are in no stage."""
    used = {task for view in stage_views(main, flags) for task in task_names(view.main, view.flags)[0]}
    places = {name: main.task_places[name] for name in main.tasks}
    places |= {name: next(iter(layer.values())).where for name, layer in flags.tasks.items()}
    advice = "Put it into the task_instance of a stage, or remove it."
    return [
        Problem(where, f"task `{name}` is in no stage.{did_you_mean(name, sorted(used))} {advice}")
        for name, where in places.items()
        if name not in used and TASK_LIST not in flags.flat
    ]


def _tasks_called_encoder(main: GlobalFile, flags: Overrides) -> Iterator[Problem]:
    """A task's folder must not be that of its stage's encoder."""
    for view in stage_views(main, flags):
        if ENCODER_FOLDER in task_names(view.main, view.flags)[0]:
            listed = view.flags.flat.get(TASK_LIST) or view.main.flat.get(TASK_LIST)
            where = view.main.task_places.get(ENCODER_FOLDER) or (listed.where if listed else main.stages_place)
            rule = f"in a run with stages, no task may be named `{ENCODER_FOLDER}`, the folder of each stage's encoder."
            yield in_stage(Problem(where, f"{rule} Give the task another name."), view.stage)


def named_by_stage(found: Mapping[str, Sequence[Problem]], stages: int) -> list[Problem]:
    """All problems, with the name of their stage unless all stages have them.

    Args:
        found: Problems of each stage that has any.
        stages: Number of stages.
    """
    everywhere = {
        problem
        for problem in next(iter(found.values()))
        if len(found) == stages and all(problem in others for others in found.values())
    }
    named = [
        problem if problem in everywhere else in_stage(problem, stage)
        for stage, problems in found.items()
        for problem in problems
    ]
    return list(dict.fromkeys(named))


def encoder_folder(config: "RunConfig") -> Path:
    """The folder of a stage's encoder."""
    return Path(config.run.save_path) / ENCODER_FOLDER


def follow_on(configs: Sequence["RunConfig"]) -> "list[RunConfig]":
    """The stages, each starting from the encoder of the previous one; they share config and vocabulary.

    Raises:
        ConfigError: They do not.
    """
    first, problems = configs[0], []
    for config in configs[1:]:
        if _backbone_config(config) != _backbone_config(first):
            rule = "all stages have the same encoder, so its config must be the same."
            problems.append(Problem(f"stages.{config.stage}", f"{rule} Found others. Set them at the top."))
        if config.run.vocab_path != first.run.vocab_path:
            found = f"Found `{config.run.vocab_path}`, and `{first.run.vocab_path}` in stage `{first.stage}`."
            rule = "all stages have the same encoder, and so the same vocabulary."
            problems.append(Problem(f"stages.{config.stage}", f"{rule} {found} Set vocab_path at the top."))
    if problems:
        raise ConfigError(problems)
    joined = [first]
    for config in configs[1:]:
        weights = {"pretrain_model_path": encoder_folder(joined[-1]).as_posix()}
        run = config.run.model_copy(update=weights)
        explain = [
            replace(row, value=weights[row.key], where="the previous stage", overridden="")
            if row.key in weights
            else row
            for row in config.explain
        ]
        joined.append(replace(config, run=run, resolved={**config.resolved, **weights}, explain=tuple(explain)))
    return joined


def _backbone_config(config: "RunConfig") -> dict[str, object] | None:
    """The keys that all stages share: those that determine weights."""
    backbone = config.backbone_config
    return backbone.model_dump(include=set(keys_where(type(backbone).model_fields, scope="run"))) if backbone else None
