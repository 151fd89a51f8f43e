"""Rows for `palm export`: files that the user names, else the dev rows of the run that the model is of."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from palm.data.dataset import Dataset
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, PalmError, Problem
from palm.inference.export.export_model import ExportRows
from palm.inference.export.made_rows import MADE
from palm.reader.loading import load_dataset
from palm.spec import Phase
from palm.storage.layout import RESOLVED_CONFIG


def rows_of(folder: Path, tasks: Sequence[TaskInstance], dev: Sequence[str], rows: Sequence[str]) -> ExportRows:
    """The rows of each task; those that have none are named on stderr.

    Args:
        folder: The trained model.
        tasks: Its tasks that are exported.
        dev: Files with gold labels, `FILE` or `task=FILE`.
        rows: Files to predict, in the same form.

    Raises:
        ConfigError: A file is for a task that is not exported, or one of several for the same task.
        DataError: What is wrong with a file that is named for a task.
    """
    gold = _given(dev, tasks, "eval", "--dev")
    for task in tasks:
        found = None if task.name in gold else _dev_rows(folder, task)
        if found is not None:
            gold[task.name] = found
    compared = {**gold, **_given(rows, tasks, "predict", "--rows")}
    missing = [task.name for task in tasks if task.name not in compared]
    if missing:
        _note(f"{', '.join(missing)}: no dev rows and no --rows; compared on rows {MADE}.")
    return ExportRows(compared, gold)


def _given(words: Sequence[str], tasks: Sequence[TaskInstance], phase: Phase, option: str) -> dict[str, Dataset]:
    """The data of the files that `option` names.

    Raises:
        ConfigError: A file is for a task that is not exported, or for no task, since each has one already.
    """
    found: dict[str, Dataset] = {}
    names = {task.name: task for task in tasks}
    for word in words:
        name, equals, file = word.partition("=")
        if equals and name in found:
            rule = f"one file for each task is expected. Found another one for {name}, `{file}`. Remove one of them."
            raise ConfigError(Problem(option, rule))
        if equals and name in names:
            found[name] = load_dataset(names[name].reader, file, phase)
        elif equals and not Path(word).exists():
            rule = f"FILE, or task=FILE with one of the exported tasks ({', '.join(names)}), is expected."
            raise ConfigError(Problem(option, f"{rule} Found `{word}`. Correct it."))
        else:
            left = [task for task in tasks if task.name not in found]
            if not left:
                rule = f"each exported task ({', '.join(names)}) has a file already. Found another one, `{word}`."
                raise ConfigError(Problem(option, f"{rule} Say which file is whose: task=FILE."))
            found |= _fitting(word, left, phase, option)
    return found


def _fitting(file: str, tasks: Sequence[TaskInstance], phase: Phase, option: str) -> dict[str, Dataset]:
    """The data of a file for each task that can read it.

    Raises:
        DataError: None can.
    """
    found: dict[str, Dataset] = {}
    refused: list[tuple[str, PalmError]] = []
    for task in tasks:
        try:
            found[task.name] = load_dataset(task.reader, file, phase)
        except PalmError as error:
            refused.append((task.name, error))
    if refused and not found:
        raise refused[0][1]
    for name, reason in refused:
        _note(f"{name} left out of {option} {file}: {str(reason).splitlines()[0]}")
    return found


def _dev_rows(folder: Path, task: TaskInstance) -> Dataset | None:
    """The dev rows of the task in its run; None without any, or where their file is gone."""
    for run, settings in _settings_of(folder, task.name):
        try:
            return _read(task, run, settings)
        except PalmError as error:
            _note(f"{task.name}: its dev rows cannot be read: {str(error).splitlines()[0]}")
    return None


def _settings_of(folder: Path, name: str) -> "Iterator[tuple[Path, object]]":
    """The run's folder and the task's configuration there, if both are to be found."""
    from palm.config.resolve import load_run_configs  # noqa: PLC0415 (reads all schemas)

    run = next((place for place in list(folder.resolve().parents)[:2] if (place / RESOLVED_CONFIG).is_file()), None)
    if run is None:
        return
    try:
        configs = load_run_configs(run / RESOLVED_CONFIG, task_dir=".", for_train=False, overrides=[], wiring=False)
    except PalmError as error:
        _note(f"{run / RESOLVED_CONFIG}: cannot be read for dev rows: {str(error).splitlines()[0]}")
        return
    yield from ((run, task) for config in configs for task in config.tasks if task.name == name)


def _read(task: TaskInstance, run: Path, config: object) -> Dataset | None:
    from palm.config.run_config import TaskConfig  # noqa: PLC0415
    from palm.training.dev_split import read_dev_rows  # noqa: PLC0415 (imports Paddle)

    if not isinstance(config, TaskConfig) or config.settings.dev_file is None:
        return None
    if config.settings.dev_fraction is not None:
        return read_dev_rows(task.reader, config, run)
    return load_dataset(task.reader, config.settings.dev_file, "eval", report=False)


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
