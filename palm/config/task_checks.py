"""Checks over the tasks of a run: targets, shared heads, vocabularies, metrics, and the trackers that receive these."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from palm.balancing.gradients import GRADIENT_METHODS
from palm.config.encoder import LOWER_CASE, comes_from_encoder
from palm.config.frozen_encoder import KEY as FROZEN
from palm.config.frozen_encoder import keys_of_a_trained_encoder, lower_cases, other_backbone_keys
from palm.config.run_config import TaskConfig
from palm.config.typed import TypedConfig
from palm.errors import CheckpointError, ConfigError, Problem
from palm.metric.base import LOSS, METRICS
from palm.paradigm.base import PARADIGMS
from palm.pretrained.find import look_at_weights
from palm.registry import did_you_mean
from palm.schema.places import exists
from palm.schema.reporting import NO_TRACKER
from palm.schema.settings import TaskSettings, TrainSettings
from palm.tracking import TRACKERS

_NO_VOCABULARY = (
    "a run needs `vocab_path`. Found none, and no tokenizer.json, vocab.txt or spm.model next to pre-trained "
    "weights. Name one of them."
)


def files_that_add_keys(typed: Iterable[TypedConfig]) -> Iterator[Problem]:
    """Files of tasks that the configuration describes by itself: their keys are read, too, which may not be meant."""
    said: set[str] = set()  # stages repeat tasks
    for config in typed:
        if config.merged is None:
            continue
        sources = config.merged.sources
        for name, layer in sources.files.items():
            own, values = sources.main.tasks.get(name, {}), config.task_values[name]
            added = [
                key for key, setting in layer.items() if key in values and values[key].setting.where == setting.where
            ]
            if {"reader", "paradigm"} <= own.keys() and added and name not in said:
                said.add(name)
                rule = f"the file of a task adds keys to those under `tasks:`. Found {', '.join(added)} in"
                advice = "Unless that is meant, remove it, or set task_dir to another folder."
                yield Problem(f"tasks.{name}", f"{rule} `{sources.homes[name]}`. {advice}")


def gradients_to_balance(config: TypedConfig) -> Iterator[Problem]:
    """A gradient method needs the gradients of several tasks."""
    train = config.train
    if not config.for_train or train is None or train.weighting not in GRADIENT_METHODS:
        return
    active = [name for name, settings in config.settings.items() if settings.mix_ratio > 0]
    if len(active) < 2:
        rule = f"weighting: {train.weighting} balances the gradients of two or more tasks."
        found = f"Found {len(active)} with a mix_ratio above 0."
        yield Problem(config.where("weighting"), f"{rule} {found} Add a task, or set weighting: fixed.")


def frozen_encoder_fits(config: TypedConfig) -> Iterator[Problem]:
    """With `freeze_encoder_of`, the backbone is that of the model, and no key needs an encoder that trains."""
    if config.merged is None or not config.merged.frozen.chosen:
        return
    if config.backbone_config is not None:
        yield from other_backbone_keys(config.merged.frozen, config.backbone_config, config.merged.backbone)
    saved = config.merged.frozen.saved
    known = lower_cases(saved) if saved else [False, True]
    for task in (task for task in config.tasks if task.reader.do_lower_case not in known):
        rule = f"with {FROZEN}, text is lower-cased as in the model."
        found = f"{LOWER_CASE}: {task.reader.do_lower_case}`, and {known[0]} in the model".lower()
        yield Problem(config.where(LOWER_CASE, task.name), f"{rule} Found `{found}. Remove the key.")
    for key, needs in keys_of_a_trained_encoder(config.train) if config.train else ():
        rule = f"{key}: {needs}, and with {FROZEN} none of it trains."
        yield Problem(config.where(key), f"{rule} Remove the key.")


def precision_of_frozen_encoder(stages: Iterable[TypedConfig]) -> Iterator[Problem]:
    """A warning if heads train on features of another precision than their model predicts in."""
    for config in stages:
        saved, amp = config.merged.frozen.saved if config.merged else None, config.train.amp if config.train else "auto"
        if saved is not None and amp not in ("auto", saved.amp):
            found = f"Found amp: {amp}, and {saved.amp} in the model, which predicts in that."
            rule = f"with {FROZEN}, heads train best in the precision of the model."
            yield Problem(config.where("amp"), f"amp: {rule} {found} Set amp: {saved.amp}.")


def known_head_owners(config: TypedConfig) -> Iterator[Problem]:
    """`share_head_with` names a task."""
    for name, settings in config.settings.items():
        other = settings.share_head_with
        if other is not None and other not in config.names:
            hint = did_you_mean(other, [key for key in config.names if key != name])
            rule = "share_head_with must name another task of this run."
            advice = f"Tasks: {', '.join(config.names)}."
            yield Problem(config.where("share_head_with", name), f"{rule} Found `{other}`.{hint} {advice}")


def one_vocabulary(config: TypedConfig) -> Iterator[Problem]:
    """All tasks have the same vocabulary, and training needs one."""
    first: tuple[str, str] | None = None
    for name, settings in config.settings.items():
        if settings.vocab_path is None:
            continue
        if first is None:
            first = (name, settings.vocab_path)
        elif not _same_file(Path(first[1]), Path(settings.vocab_path)):
            rule = "all tasks share one encoder and so the same vocabulary."
            found = f"Found `{settings.vocab_path}` for `{name}` and `{first[1]}` for `{first[0]}`."
            yield Problem(config.where("vocab_path", name), f"{rule} {found} Set vocab_path in the global file.")
    if config.merged is None or config.run is None or config.merged.encoder.unknown:
        return
    if config.for_train and config.run.vocab_path is None:
        yield Problem(config.merged.sources.main.name, _NO_VOCABULARY)


def _same_file(one: Path, other: Path) -> bool:
    if one == other or not (one.is_file() and other.is_file()):
        return True  # a missing file has been reported, or is not needed
    return one.resolve() == other.resolve() or one.read_bytes() == other.read_bytes()


def known_metrics(config: TypedConfig) -> Iterator[Problem]:
    """`metrics` names registered metrics."""
    for name, settings in config.settings.items():
        for metric in settings.metrics or ():
            if metric not in METRICS:
                hint = did_you_mean(metric, list(METRICS))
                message = f"unknown metric `{metric}`.{hint} Registered: {', '.join(METRICS)}."
                yield Problem(config.where("metrics", name), message)
            elif config.for_train and settings.dev_file is not None:
                yield from _missing_package(metric, config.where("metrics", name))


def _missing_package(metric: str, where: str) -> Iterator[Problem]:
    """That a metric's package is not installed, which it says when it computes."""
    try:
        METRICS[metric]([], [])
    except ConfigError as error:
        yield from (Problem(where, problem.message) for problem in error.problems)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return  # a user's metric that fails on empty lists


def targets_to_reach(config: TypedConfig) -> Iterator[Problem]:
    """Training needs a target, and must reach each target."""
    if not config.for_train:
        return
    targets = [name for name, settings in config.settings.items() if settings.target]
    if not targets and config.all_tasks_typed:
        rule = "training ends when every target is finished, so a run needs at least one."
        found = "Found auxiliary tasks only. Set one element of target_tag to 1."
        yield Problem(config.where("target", config.names[0]), f"{rule} {found}")
    for name in targets:
        if config.settings[name].mix_ratio == 0:
            rule = f"a target needs a mix_ratio above 0, or it is never reached. Found 0 for `{name}`."
            yield Problem(config.where("mix_ratio", name), f"{rule} Raise it, or make the task auxiliary.")


def training_files(config: TypedConfig) -> Iterator[Problem]:
    """Each task has training data."""
    for name, settings in config.settings.items() if config.for_train else ():
        if settings.train_file is None:
            rule = f"task `{name}` needs `train_file` to be trained. Found nothing."
            yield Problem(f"tasks.{name}", f"{rule} Add it, or pass for_train=False to only predict.")


def readable_weights(config: TypedConfig) -> Iterator[Problem]:
    """The pre-trained weights are there, in a format that is read; a resumed run goes on without them."""
    path = config.run.pretrain_model_path if config.run else None
    if path is None or not config.for_train or (config.train and config.train.resume == "auto"):
        return
    if not exists(Path(path)):  # reported where paths are looked up
        return
    written = config.run_values["pretrain_model_path"].setting
    if config.merged and config.merged.encoder.of_hub and comes_from_encoder(written):
        return  # the weights may not have been fetched yet
    try:
        look_at_weights(Path(path))
    except CheckpointError as error:
        yield Problem("", str(error))


def rows_shared_by_name(config: TypedConfig) -> Iterator[Problem]:
    """`share_rows_with` names a task that is trained in the run's joint steps."""
    tasks, train = config.settings, config.train
    for name, settings in tasks.items() if config.for_train and train is not None else ():
        other = settings.share_rows_with
        if other is None:
            continue
        where, others = config.where("share_rows_with", name), [key for key in tasks if key != name]
        if other not in others:
            hint = did_you_mean(other, others)
            rule = f"share_rows_with must name another task of this run. Found `{other}`.{hint}"
            yield Problem(where, f"{rule} Tasks: {', '.join(others)}.")
            continue
        if tasks[other].share_rows_with is not None:
            rule = "share_rows_with must name the task that all tasks with these rows follow."
            found = f"Found `{other}`, which follows `{tasks[other].share_rows_with}` itself."
            yield Problem(where, f"{rule} {found} Name that task.")
        if train is not None and train.mode != "joint":
            rule = "only tasks of a joint step share rows. Found mode: alternating."
            yield Problem(where, f"{rule} Set mode: joint, or remove share_rows_with.")
        if not (settings.mix_ratio and tasks[other].mix_ratio):
            rule = "tasks that share rows must both be trained. Found a mix_ratio of 0."
            yield Problem(where, f"{rule} Raise it, or remove share_rows_with.")


@dataclass(frozen=True)
class TaskMetrics:
    """A task and its metrics.

    Attributes:
        name: Its name.
        settings: Its keys.
        metrics: Names of its metrics, registered or not.
        missing: Values that these do not report with the labels of its data.
    """

    name: str
    settings: TaskSettings
    metrics: Sequence[str]
    missing: Collection[str] = ()

    @property
    def names(self) -> list[str]:
        """Names of the values that its evaluations report; empty without a dev_file."""
        if self.settings.dev_file is None:
            return []
        values = [LOSS, *(value for name in self.metrics if name in METRICS for value in _values_of(name))]
        return [value for value in values if value not in self.missing]


def reported_metrics(config: TypedConfig) -> Iterator[Problem]:
    """The metrics of `metric_for_best_model`, `selection` and the tasks' patience are reported."""
    train = config.train
    if not config.for_train or train is None or not config.all_tasks_typed:
        return
    tasks = [_with_metrics(task) for task in config.tasks]
    yield from unreported_metrics(train, tasks, config.where)
    yield from _without_evaluations(train, tasks, config)
    for task in tasks:
        if task.settings.early_stopping_patience and task.settings.target and task.settings.dev_file is None:
            rule = f"early_stopping_patience needs a dev_file, and `{task.name}` has none."
            advice = f"Add one, or write `early_stopping_patience: null` under tasks.{task.name}."
            yield Problem(config.where("early_stopping_patience", task.name), f"{rule} {advice}")


def unreported_metrics(
    train: TrainSettings, tasks: Sequence[TaskMetrics], where: Callable[[str], str] = str
) -> Iterator[Problem]:
    """What `metric_for_best_model` and `selection` name and no task reports.

    Args:
        train: Keys of the training engine.
        tasks: All tasks of the run.
        where: Source of a key.
    """
    wanted = train.metric_for_best_model
    if wanted is not None:
        targets = [task for task in tasks if task.settings.target]
        names = {name for task in targets for name in task.names} | set(_full_names(targets))
        if wanted not in names:
            rule = "must be a metric that a target with a dev_file reports, or `task.metric`."
            message = _unreported(f"metric_for_best_model {rule}", wanted, sorted(names))
            yield Problem(where("metric_for_best_model"), message)
    known = [task.name for task in tasks if task.names] + _full_names(tasks)
    for name in train.selection or ():
        if name not in known:
            rule = "selection must name tasks with a dev_file, or `task.metric` of one."
            yield Problem(where("selection"), _unreported(rule, name, known))


def _with_metrics(task: TaskConfig) -> TaskMetrics:
    paradigm = PARADIGMS[task.paradigm_name](task.paradigm)
    return TaskMetrics(task.name, task.settings, task.settings.metrics or paradigm.default_metrics)


def _without_evaluations(train: TrainSettings, tasks: Sequence[TaskMetrics], config: TypedConfig) -> Iterator[Problem]:
    """Keys that need evaluations without any."""
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
    return [f"{task.name}.{name}" for task in tasks for name in task.names]


def _unreported(rule: str, found: str, known: Sequence[str]) -> str:
    listed = ", ".join(known) or "nothing (no task has a dev_file)"
    return f"{rule} Found `{found}`.{did_you_mean(found, list(known))} Reported: {listed}."


def _values_of(metric: str) -> list[str]:
    try:
        return list(METRICS[metric]([], []))
    except (ArithmeticError, ConfigError, LookupError, TypeError, ValueError):
        return [metric]  # a user's metric that fails on empty lists; its value usually has the same name


def followed_metrics(config: TypedConfig) -> Iterator[Problem]:
    """The metrics that sampling or weighting follow are available."""
    train, tasks = config.train, config.settings
    if not config.for_train or train is None or not config.all_tasks_typed:
        return
    keys = config.methods.dev_metric_keys if config.methods else []
    if keys and train.eval_every_n_steps == 0:
        yield _never_evaluated(" and ".join(f"{key}: metric" for key in keys), config)
    without = [name for name, settings in tasks.items() if settings.mix_ratio > 0 and settings.dev_file is None]
    for key in keys if without else ():
        rule = f"{key}: metric follows the dev metrics of all tasks."
        found = f"Found no dev_file for {', '.join(f'`{name}`' for name in without)}."
        yield Problem(config.where(key), f"{rule} {found} Add it, or set {key}: loss.")


def known_trackers(config: TypedConfig) -> Iterator[Problem]:
    """Every tracker of `report_to` is known and, for training, installed."""
    names = config.train.report_to if config.train else None
    if not names:
        return
    where = config.where("report_to")
    if NO_TRACKER in names and len(names) > 1:
        others = ", ".join(name for name in names if name != NO_TRACKER)
        rule = f"report_to: `{NO_TRACKER}` stands alone."
        yield Problem(where, f"{rule} Found it with {others}. Remove one of them.")
    for name in dict.fromkeys(names):
        if name != NO_TRACKER:
            yield from _tracker_problems(name, where, installed=config.for_train)


def _tracker_problems(name: str, where: str, *, installed: bool) -> Iterator[Problem]:
    if name not in TRACKERS:
        known = [*TRACKERS, NO_TRACKER]
        yield Problem(where, f"unknown tracker `{name}`.{did_you_mean(name, known)} Known: {', '.join(known)}.")
    elif installed and not TRACKERS[name].is_installed():
        tracker = TRACKERS[name]
        advice = f'pip install "paddle-palm[{tracker.extra}]"'
        rule = f"report_to: {name} needs the package `{tracker.package}`."
        yield Problem(where, f"{rule} Found none. {advice}, or remove it from the list.")
