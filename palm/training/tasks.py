"""From a checked configuration to task instances: vocabulary, readers, data, labels, paradigms."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from palm.config.run_config import RunConfig, TaskConfig
from palm.config.task_checks import TaskMetrics, unreported_metrics
from palm.config.wiring import of_task
from palm.data.dataset import Dataset
from palm.data.shared_rows import match_rows
from palm.data.tokenizer import Tokenizer
from palm.distributed.ranks import current_ranks
from palm.engine.task_instance import TaskInstance, paradigm_for
from palm.errors import ConfigError, DataError, Problem
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS, Reader
from palm.reader.loading import load_dataset
from palm.schema.fields import BackboneFields
from palm.schema.settings import TrainSettings
from palm.training.dev_split import load_split
from palm.training.further_rows import with_further_rows
from palm.training.unknown_tokens import refuse_unknown

Built = TypeVar("Built")


def build_tasks_of(stages: Sequence[RunConfig]) -> list[list[TaskInstance]]:
    """Task instances of each stage; the data problems of all stages are reported together.

    Raises:
        ConfigError: Components that do not fit together.
        DataError: All problems in the data files of all tasks.
        TrainingError: The ranks of a run have different configurations.
    """
    if current_ranks().count > 1:
        from palm.training.equal_ranks import check_same_keys  # noqa: PLC0415 (imports Paddle)

        check_same_keys(stages)
    wrong: list[Problem] = []
    unfit: list[Problem] = []
    built = []
    for config in stages:
        before = len(wrong)
        processes = _planned_processes(config)
        tasks = [_collect(wrong, partial(_build_task, config, task, processes)) for task in config.tasks]
        if len(wrong) == before:
            built.append(_collect(unfit, partial(_joined, [task for task in tasks if task], config)) or [])
    if unfit:
        raise ConfigError(list(dict.fromkeys([*unfit, *wrong])))
    if wrong:
        raise DataError(list(dict.fromkeys(wrong)))
    return built


def _joined(tasks: Sequence[TaskInstance], config: RunConfig) -> list[TaskInstance]:
    check_shared_heads(tasks, config.backbone)
    check_reported_metrics(tasks, config.train)
    return with_shared_rows(tasks)


def reader_of(config: RunConfig, task: TaskConfig) -> Reader:
    """The reader of a task, before it reads.

    Raises:
        ConfigError: The vocabulary is missing or invalid.
    """
    tokenizer = _tokenizer(config, task)
    try:
        return READERS[task.reader_name](task.reader, tokenizer)
    except ConfigError as error:
        raise of_task(task.name, error) from error


def _collect(problems: list[Problem], build: Callable[[], Built]) -> Built | None:
    try:
        return build()
    except (ConfigError, DataError) as error:
        problems += error.problems
        return None


def _planned_processes(config: RunConfig) -> int:
    """The number of processes that batches are planned for."""
    if config.train is None or config.train.resume != "auto":
        return current_ranks().count
    from palm.training.earlier_runs import planned_processes  # noqa: PLC0415 (imports Paddle)

    return planned_processes(Path(config.run.save_path))


def _build_task(config: RunConfig, task: TaskConfig, processes: int) -> TaskInstance:
    reader = reader_of(config, task)
    train, dev = _load_data(config, reader, task)
    train = train and with_further_rows(train, reader, task)
    refuse_unknown(task.name, (train, dev), reader, task.settings.max_unk_fraction)
    try:
        paradigm = paradigm_for(PARADIGMS[task.paradigm_name], task.paradigm, reader)
    except ConfigError as error:
        raise of_task(task.name, error) from error
    return TaskInstance(
        name=task.name,
        settings=task.settings,
        reader=reader,
        paradigm=paradigm,
        head=task.head,
        seed=task.settings.random_seed,
        train=train,
        dev=dev,
        processes=processes,
    )


def _load_data(config: RunConfig, reader: Reader, task: TaskConfig) -> tuple[Dataset | None, Dataset | None]:
    """Training and dev data. Problems of the dev file are reported even if the training file failed."""
    train_file, dev_file = task.settings.train_file, task.settings.dev_file
    problems: list[Problem] = []
    if train_file and task.settings.dev_fraction is not None:
        return load_split(config, task, reader)
    train = _collect(problems, lambda: load_dataset(reader, train_file, "train")) if train_file else None
    if problems:  # the labels are unknown, so the dev file is parsed but not encoded
        _collect(problems, lambda: reader.read(dev_file, "eval") if dev_file else None)
        raise DataError(problems)
    return train, load_dataset(reader, dev_file, "eval") if dev_file else None


def _tokenizer(config: RunConfig, task: TaskConfig) -> Tokenizer:
    path = task.settings.vocab_path or config.run.vocab_path
    if path is None:
        raise ConfigError(
            Problem("vocab_path", "a vocabulary is required, one subword token per line. Set vocab_path.")
        )
    return Tokenizer.from_file(Path(path), do_lower_case=task.reader.do_lower_case, for_cn=task.reader.for_cn)


def with_shared_rows(tasks: Sequence[TaskInstance]) -> list[TaskInstance]:
    """The task instances, with the rows that they share.

    Raises:
        ConfigError: No row in common.
    """
    problems: list[Problem] = []
    made = {task.name: task for task in tasks}
    for leader in tasks:
        group = [leader, *(task for task in tasks if task.settings.share_rows_with == leader.name)]
        if len(group) > 1:
            problems += _share(group, made)
    if problems:
        raise ConfigError(problems)
    return [made[task.name] for task in tasks]


def _share(group: Sequence[TaskInstance], made: dict[str, TaskInstance]) -> Iterator[Problem]:
    rows = match_rows({task.name: task.training_data for task in group})
    first, *others = group
    leader = made[first.name] = replace(first, rows=rows)
    for task in others:
        made[task.name] = replace(task, rows=rows, leader=leader)
        if not ((rows.examples[task.name] >= 0) & (rows.examples[first.name] >= 0)).any():
            found = f"`{task.name}` and `{first.name}` have none in common."
            rule = f"share_rows_with is for tasks with the same texts. {found}"
            yield Problem(f"tasks.{task.name}.share_rows_with", f"{rule} Look at train_file, columns and max_seq_len.")


def check_shared_heads(tasks: Sequence[TaskInstance], backbone: BackboneFields) -> None:
    """Tasks that share a head need parameters of the same shape; their label counts are known once the data is read.

    Raises:
        ConfigError: Names both tasks and their shapes.
    """
    first: dict[str, TaskInstance] = {}
    problems = []
    for task in tasks:
        other = first.setdefault(task.head, task)
        shapes = [_shape(one, backbone) for one in (other, task)]
        if shapes[0] != shapes[1]:
            found = f"`{other.name}` has {shapes[0]}, `{task.name}` has {shapes[1]}."
            message = f"tasks that share a head need equal sizes. {found}"
            problems.append(
                Problem(f"tasks.{task.name}", f"{message} Give them the same n_classes, or different reuse tags.")
            )
    if problems:
        raise ConfigError(problems)


def check_reported_metrics(tasks: Sequence[TaskInstance], train: TrainSettings) -> None:
    """The metrics that select the best step are reported; which a task reports may depend on its labels.

    Raises:
        ConfigError: Naming the metrics that are not.
    """
    judged = [
        TaskMetrics(
            task.name,
            task.settings,
            task.settings.metrics or task.paradigm.default_metrics,
            task.paradigm.missing_metrics,
        )
        for task in tasks
    ]
    problems = list(unreported_metrics(train, judged))
    if problems:
        raise ConfigError(problems)


def _shape(task: TaskInstance, backbone: BackboneFields) -> tuple[object, ...]:
    """Sizes of the head's parameters, those of its mix of layers included."""
    mixed = task.paradigm.config.mixed_layers(backbone.num_hidden_layers)
    config = task.paradigm.config
    private = () if config.sharing == "hard" else (config.sharing, config.sharing_size, config.sharing_layers)
    return (*task.paradigm.head_shape(backbone), *([f"layers {mixed}"] if mixed else []), *private)
