"""A run as its folder tells it: curves, log, configuration, data, and how far it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from palm.distributed.launch import RANKS_FOLDER
from palm.errors import CheckpointError, ConfigError, Problem
from palm.report.configuration import RunConfiguration, read_configuration
from palm.report.curves import FollowedRun, RunCurves
from palm.report.events import LogFacts, read_log
from palm.report.metrics_file import AfterBytes
from palm.schema.run_description import RunDescription, read_description
from palm.schema.search_results import SearchResults, read_search_results
from palm.storage.layout import CHECKPOINT_FOLDER, EARLIER_FOLDER, LOG_FILE, METRICS_FILE
from palm.storage.run_lock import is_training

RunState = Literal["training", "ended", "stopped", "unknown"]
"""`stopped`: it neither trains nor has ended; `unknown`: of a trainer, whose end is not recorded."""


@dataclass(frozen=True)
class MixOfTask:
    """How often a task was trained.

    Attributes:
        asked: The fraction of steps that the sampler was to give it; None where that is not known.
        steps: Its steps so far.
        achieved: The fraction that it has had.
    """

    asked: float | None
    steps: int
    achieved: float


@dataclass(frozen=True)
class ReadRun:
    """What is known of a run.

    Attributes:
        name: What it is called beside others.
        folder: Its folder.
        curves: Its metrics.
        log: Its log.
        configuration: Its values.
        description: What run.json says; None without one.
        state: How far it is.
        checkpoints: Steps of its checkpoints.
        rank_logs: Logs of its other ranks.
        earlier_runs: How many runs were trained in the folder before.
        notes: What is missing or damaged, a sentence each.
    """

    name: str
    folder: Path
    curves: RunCurves
    log: LogFacts = field(default_factory=LogFacts)
    configuration: RunConfiguration = field(default_factory=RunConfiguration)
    description: RunDescription | None = None
    state: RunState = "unknown"
    checkpoints: tuple[int, ...] = ()
    rank_logs: tuple[str, ...] = ()
    earlier_runs: int = 0
    notes: tuple[str, ...] = ()

    @property
    def task_names(self) -> list[str]:
        """Its tasks: in the order of the configuration, then those that only the metrics know."""
        return list(dict.fromkeys([*self.configuration.task_names, *self.curves.tasks]))

    @property
    def total_steps(self) -> int | None:
        """The steps that it is to have; None where that is not known."""
        return self.description.total_steps or None if self.description else None

    def mix(self) -> Mapping[str, MixOfTask]:
        """How often each task was asked to be trained, and was; tasks without a step included."""
        steps = {name: self.steps_of(name) for name in self.task_names}
        total = sum(steps.values())
        described = self.description.tasks if self.description else {}
        asked = {name: described[name].asked if name in described else None for name in steps}
        return {name: MixOfTask(asked[name], count, count / total if total else 0.0) for name, count in steps.items()}

    def steps_of(self, task: str) -> int:
        """Steps of a task so far, as of its last logged one or of its export."""
        export = self.curves.exports.get(task)
        exported = export.task_steps if export is not None and export.task_steps is not None else 0
        curves = self.curves.tasks.get(task)
        if curves is None or curves.position.last is None or curves.epoch.last is None:
            return exported
        return max(exported, int(curves.epoch.last[1]) * self.steps_per_epoch(task) + int(curves.position.last[1]))

    def steps_per_epoch(self, task: str) -> int:
        """Batches in one pass over a task's rows; 0 where that is not known."""
        if self.description and task in self.description.tasks:
            return self.description.tasks[task].steps_per_epoch
        return self.log.steps_per_epoch.get(task, 0)


def find_runs(path: Path) -> list[Path]:
    """The folders of a run: itself, or those of its stages in the order in which they were trained.

    Of a search it is the run of the best trial, with the first seed; none where no trial was complete.

    Raises:
        CheckpointError: The results of a search are damaged.
        ConfigError: There is no run.
    """
    if _is_run(path):
        return [path]
    search = read_search_results(path)
    if search is not None:
        return list(_best_runs(path, search))
    inside = [each for each in path.iterdir() if _is_run(each)] if path.is_dir() else []
    if not inside:
        rule = f"a run is known by its {METRICS_FILE} or {LOG_FILE}"
        found = "a folder without them" if path.is_dir() else "a file" if path.exists() else "nothing there"
        raise ConfigError(Problem(str(path), f"{rule}. Found {found}. Name the save_path of a run."))
    return sorted(inside, key=_began)


def read_run(folder: Path, name: str | None = None, after_bytes: AfterBytes | None = None) -> ReadRun:
    """Read a run, which may be training or may have died.

    Args:
        folder: Its folder.
        name: What to call it; the folder's name by default.
        after_bytes: Called with the number of bytes of each part of its metrics that is read.
    """
    followed = FollowedRun(folder, after_bytes)
    followed.update()
    return followed_run(folder, followed, read_log(folder), name or folder.resolve().name)


def followed_run(folder: Path, followed: FollowedRun, log: LogFacts, name: str) -> ReadRun:
    """A run whose metrics and log are read elsewhere, as they grow."""
    description, notes = _description(folder)
    configuration = read_configuration(folder, description)
    notes += [configuration.problem] if configuration.problem else []
    return ReadRun(
        name=name,
        folder=folder,
        curves=followed.curves,
        log=log,
        configuration=configuration,
        description=description,
        state=state_of(folder, followed.curves, configuration),
        checkpoints=tuple(sorted(_checkpoints(folder))),
        rank_logs=tuple(sorted(file.name for file in (folder / RANKS_FOLDER).glob("*.log"))),
        earlier_runs=len(list((folder / EARLIER_FOLDER).glob("*"))),
        notes=(*notes, *_notes_on(followed)),
    )


def read_runs(paths: Sequence[Path], after_bytes: AfterBytes | None = None) -> list[ReadRun]:
    """Read runs, a run with stages stage by stage, each under a name of its own.

    Args:
        paths: Their folders.
        after_bytes: Called with the number of bytes of each part of their metrics that is read.

    Raises:
        ConfigError: One of them is no run.
    """
    folders = list(dict.fromkeys(folder for path in paths for folder in find_runs(path)))
    names = distinct_names(folders)
    return [read_run(folder, name, after_bytes) for folder, name in zip(folders, names, strict=True)]


def metrics_size(paths: Sequence[Path]) -> int:
    """Bytes of the metrics of runs, of all stages of each.

    Raises:
        ConfigError: One of them is no run.
    """
    files = {folder / METRICS_FILE for path in paths for folder in find_runs(path)}
    return sum(file.stat().st_size for file in files if file.is_file())


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that distinguish folders."""
    paths = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, paths), default=1) + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def state_of(folder: Path, curves: RunCurves, configuration: RunConfiguration) -> RunState:
    """How far a run is."""
    if is_training(folder) or is_training(folder.parent):
        return "training"
    if curves.has_run_model or _targets_exported(curves, configuration):
        return "ended"
    return "stopped" if configuration.values else "unknown"


def _targets_exported(curves: RunCurves, configuration: RunConfiguration) -> bool:
    """Whether each target has its model, as a stage of several that another one follows."""
    targets = [name for name in configuration.task_names if configuration.of_task(name, "target") != "false"]
    return bool(targets) and all(name in curves.exports for name in targets)


def _best_runs(path: Path, search: SearchResults) -> Iterator[Path]:
    """The run of the best trial, as long as it is there."""
    if search.best_trial is not None:
        home = path / search.best_trial.folder
        folder = home / f"seed_{search.seeds[0]}" if len(search.seeds) > 1 else home
        if _is_run(folder):
            yield folder


def _is_run(folder: Path) -> bool:
    return (folder / METRICS_FILE).is_file() or (folder / LOG_FILE).is_file()


def _began(folder: Path) -> tuple[str, str]:
    """When a stage was started; those that do not tell come last, by name."""
    description, _ = _description(folder)
    return (description.started if description else "~", folder.name)


def _description(folder: Path) -> tuple[RunDescription | None, list[str]]:
    try:
        return read_description(folder), []
    except CheckpointError as error:
        return None, [str(error)]


def _checkpoints(folder: Path) -> Iterator[int]:
    for each in (folder / CHECKPOINT_FOLDER).glob("step_*"):
        number = each.name.removeprefix("step_")
        if number.isdecimal():
            yield int(number)


def _notes_on(followed: FollowedRun) -> Iterator[str]:
    file, curves = followed.file, followed.curves
    if file.damaged:
        yield f"{METRICS_FILE}: {file.damaged} damaged lines were left out."
    if file.is_cut:
        yield f"{METRICS_FILE}: the last line is incomplete and was left out."
    if curves.other_lines:
        yield f"{METRICS_FILE}: {curves.other_lines} lines are of no kind that this PALM knows, and were left out."
    for to, before in curves.repeated:
        yield f"{METRICS_FILE}: after step {before} the steps from {to} on came again; the later ones are shown."
