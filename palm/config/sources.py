"""Stage 1 of configuration: read all sources of a run: global file, command line, task files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from palm.config.broadcast import TASK_LIST, listed_tasks
from palm.config.components import flag_keys
from palm.config.files import GlobalFile, TaskFile, load_global, load_task_file
from palm.config.overrides import Overrides, parse_overrides
from palm.config.user_code import import_user_code
from palm.errors import Problem
from palm.runtime.environment import prepare_runtime
from palm.schema.fields import split_list
from palm.schema.values import Layer


@dataclass(frozen=True)
class Sources:
    """The sources of a run.

    Attributes:
        main: The global file.
        flags: The command line.
        files: The file of each named task.

    """

    main: GlobalFile
    flags: Overrides
    files: Mapping[str, TaskFile]


def read(
    config: str | Path | Mapping[str, object], task_dir: str, overrides: Sequence[str], *, searching: bool = True
) -> Sources:
    """Read the files of a run, and import the user's modules; `search:` is refused unless `searching`.

    Raises:
        ConfigError: The global file cannot be read, or a module cannot be imported.

    """
    main = load_global(config)
    if main.search is not None and not searching:
        rule = "`search:` is for `palm tune`, which trains with many values of its keys, and this is a single run."
        advice = "Start `palm tune`, train the best.yaml that it wrote, or remove `search:`."
        problem = Problem(main.search.where, f"{rule} {advice}")
        main = replace(main, problems=(*main.problems, problem))
    flags = parse_overrides(overrides, flag_keys())
    if "imports" in main.flat or "imports" in flags.flat:
        main = replace(main, flat=_imported(main.flat))
        _imported(flags.flat)
        flags = parse_overrides(overrides, flag_keys())  # the modules may register more keys
    names = dict.fromkeys(_names_anywhere(main, flags))
    return Sources(main, flags, {name: load_task_file(name, task_dir, main.folder) for name in names})


def _names_anywhere(main: GlobalFile, flags: Overrides) -> Iterator[str]:
    """All tasks of the run or of its stages."""
    stages = list((main.stages or {}).values())
    flats = [flags.flat, main.flat, *(stage.flat for stage in stages), *(own.flat for own in flags.stages.values())]
    for layer in flats:
        yield from listed_tasks(layer.get(TASK_LIST)) or ()
    for tasks in (main.tasks, *(stage.tasks for stage in stages)):
        yield from tasks


def _imported(layer: Layer) -> Layer:
    """`layer` after importing its modules, with their resolved paths."""
    setting = layer.get("imports")
    names = split_list(setting.value) if setting else None
    if setting is None or not isinstance(names, list):
        return layer  # problems are reported where keys are checked
    prepare_runtime()  # the user's module may import Paddle
    found = [import_user_code(str(name), setting.where, setting.folder) for name in names]
    return {**layer, "imports": replace(setting, value=found)}
