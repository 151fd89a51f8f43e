"""Checks over what a run is judged by: that somebody reports the figures which choose the best step or stop it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from palm.config.run_config import TaskConfig
from palm.config.typed import TypedConfig
from palm.errors import Problem
from palm.metric.base import LOSS, METRICS
from palm.paradigm.base import PARADIGMS
from palm.registry import did_you_mean
from palm.schema.settings import TaskSettings, TrainSettings


@dataclass(frozen=True)
class TaskMetrics:
    """A task as far as its figures go.

    Attributes:
        name: Its name.
        settings: Its keys.
        metrics: Names of its metrics, registered or not.
    """

    name: str
    settings: TaskSettings
    metrics: Sequence[str]

    @property
    def figures(self) -> list[str]:
        """What its evaluations report; nothing without a dev_file."""
        if self.settings.dev_file is None:
            return []
        return [LOSS, *(figure for name in self.metrics if name in METRICS for figure in _scores_of(name))]


def reported_metrics(config: TypedConfig) -> Iterator[Problem]:
    """Somebody reports what `metric_for_best_model`, `selection` and the patience of the tasks wait for."""
    train = config.train
    if not config.for_train or train is None or not config.all_tasks_typed:
        return
    tasks = [_judged(task) for task in config.tasks]
    wanted = train.metric_for_best_model
    if wanted is not None:
        targets = [task for task in tasks if task.settings.target]
        names = {figure for task in targets for figure in task.figures} | set(_full_names(targets))
        if wanted not in names:
            rule = "names a figure that a target with a dev_file reports, or `task.figure`."
            where = config.where("metric_for_best_model")
            yield Problem(where, _unreported(f"metric_for_best_model {rule}", wanted, sorted(names)))
    known = [task.name for task in tasks if task.figures] + _full_names(tasks)
    for name in train.selection or ():
        if name not in known:
            rule = "selection names tasks with a dev_file, or `task.figure` of one."
            yield Problem(config.where("selection"), _unreported(rule, name, known))
    yield from _unjudged(train, tasks, config)
    for task in tasks:
        if task.settings.early_stopping_patience and task.settings.target and task.settings.dev_file is None:
            rule = f"early_stopping_patience waits for better figures of dev_file, and `{task.name}` has none."
            advice = f"Add one, or write `early_stopping_patience: null` under tasks.{task.name}."
            yield Problem(config.where("early_stopping_patience", task.name), f"{rule} {advice}")


def _judged(task: TaskConfig) -> TaskMetrics:
    paradigm = PARADIGMS[task.paradigm_name](task.paradigm)
    return TaskMetrics(task.name, task.settings, task.settings.metrics or paradigm.default_metrics)


def _unjudged(train: TrainSettings, tasks: Sequence[TaskMetrics], config: TypedConfig) -> Iterator[Problem]:
    """What waits for evaluations where there are none."""
    waiting = ["selection_patience"] if train.selection_patience else []
    waiting += [
        f"early_stopping_patience of `{task.name}`"
        for task in tasks
        if task.settings.early_stopping_patience and task.settings.target
    ]
    if waiting and train.eval_every_n_steps == 0:
        yield _never_evaluated(" and ".join(waiting), config)


def _never_evaluated(who: str, config: TypedConfig) -> Problem:
    rule = f"with 0, a target is evaluated only when it is exported, too late for {who}."
    return Problem(config.where("eval_every_n_steps"), f"eval_every_n_steps: {rule} Set -1, or a number of steps.")


def _full_names(tasks: Sequence[TaskMetrics]) -> list[str]:
    return [f"{task.name}.{figure}" for task in tasks for figure in task.figures]


def _unreported(rule: str, found: str, known: Sequence[str]) -> str:
    listed = ", ".join(known) or "nothing (nobody has a dev_file)"
    return f"{rule} Found `{found}`.{did_you_mean(found, list(known))} Reported: {listed}."


def _scores_of(metric: str) -> list[str]:
    try:
        return list(METRICS[metric]([], []))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return [metric]  # one of a user's own that takes no empty list: mostly called as its figure is


def followed_metrics(config: TypedConfig) -> Iterator[Problem]:
    """The metrics that sampling or weighting follow are there."""
    train, tasks = config.train, config.settings
    if not config.for_train or train is None or not config.all_tasks_typed:
        return
    keys = config.methods.dev_metric_keys if config.methods else []
    if keys and train.eval_every_n_steps == 0:
        yield _never_evaluated(" and ".join(f"{key}: metric" for key in keys), config)
    without = [name for name, settings in tasks.items() if settings.mix_ratio > 0 and settings.dev_file is None]
    for key in keys if without else ():
        rule = f"{key}: metric follows the dev figures of all tasks."
        found = f"Found no dev_file for {', '.join(f'`{name}`' for name in without)}."
        yield Problem(config.where(key), f"{rule} {found} Add it, or set {key}: loss.")
