"""Everything that was written about a run, read but not yet merged: global file, command line, task files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from palm.config.broadcast import is_task_name, task_names
from palm.config.components import flag_keys
from palm.config.files import GlobalFile, load_global, load_task_file
from palm.config.overrides import Overrides, parse_overrides
from palm.config.stages import in_stage, stage_problems, stage_views
from palm.config.user_code import import_user_code
from palm.errors import ConfigError, Problem
from palm.runtime.environment import prepare_runtime
from palm.schema.fields import split_list
from palm.schema.values import Layer


@dataclass(frozen=True)
class Sources:
    """What was read.

    Attributes:
        main: The global file.
        flags: The command line.
        names: The tasks in order.
        files: Keys of each task that has a file of its own.
        homes: Where a missing key of each task should be written.
        problems: What is wrong so far.
        stage: The stage that these are of; empty where there are none.
        shared: Keys that all stages were given, so that one of them may have no use for them.

    """

    main: GlobalFile
    flags: Overrides
    names: tuple[str, ...]
    files: Mapping[str, Layer]
    homes: Mapping[str, str]
    problems: tuple[Problem, ...]
    stage: str = ""
    shared: frozenset[str] = frozenset()


def read_sources(config: str | Path | Mapping[str, object], task_dir: str, overrides: Sequence[str]) -> list[Sources]:
    """Read the files of a run: what is written about it, or about each of its stages.

    Raises:
        ConfigError: The global file cannot be read, or names no task: nothing more can be said then.

    """
    main = load_global(config)
    flags = parse_overrides(overrides, flag_keys())
    if "imports" in main.flat or "imports" in flags.flat:
        main = replace(main, flat=_imported(main.flat))
        _imported(flags.flat)
        flags = parse_overrides(overrides, flag_keys())  # there may be more keys now
    if main.stages is None and not flags.stages:
        return [_read(main, flags, task_dir)]
    problems = stage_problems(main, flags)
    if problems or main.stages == {}:
        raise ConfigError([*main.problems, *flags.problems, *problems])
    stages = []
    for view in stage_views(main, flags):
        try:
            stages.append(replace(_read(view.main, view.flags, task_dir), stage=view.stage, shared=view.shared))
        except ConfigError as error:
            problems += [in_stage(problem, view.stage) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return stages


def _read(main: GlobalFile, flags: Overrides, task_dir: str) -> Sources:
    names, problems = task_names(main, flags)
    problems = [*main.problems, *flags.problems, *problems]
    if not names:
        raise ConfigError(problems)
    files: dict[str, Layer] = {}
    homes: dict[str, str] = {}
    for name in names:
        place, layer, more = load_task_file(name, task_dir, main.folder)
        inline = bool(main.tasks.get(name))
        homes[name] = main.task_places[name] if layer is None and inline else place
        problems += more
        if layer is not None:
            files[name] = layer
        elif not inline and is_task_name(name):
            problems.append(Problem(main.name, _no_task_file(name, place)))
    return Sources(main, flags, tuple(names), files, homes, tuple(problems))


def _imported(layer: Layer) -> Layer:
    """`layer`, once the modules that it names are imported; their files by the places where they were found."""
    setting = layer.get("imports")
    names = split_list(setting.value) if setting else None
    if setting is None or not isinstance(names, list):
        return layer  # what is wrong with it is said where keys are checked
    prepare_runtime()  # the user's module may import Paddle
    found = [import_user_code(str(name), setting.where, setting.folder) for name in names]
    return {**layer, "imports": replace(setting, value=found)}


def _no_task_file(name: str, place: str) -> str:
    rule = f"task `{name}` is described in a file of its name or under `tasks:`."
    return f"{rule} Found neither; looked for {place}. Write the file, or point task_dir at its folder."
