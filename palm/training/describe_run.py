"""Writes at the beginning of a run what is known of it: its values, where they come from, what its data hold."""

import os
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import paddle
import yaml

from palm.config.run_config import RunConfig
from palm.data.dataset import Dataset, IntArray
from palm.engine.run import TrainingRun
from palm.engine.schedule import expected_steps
from palm.engine.task_instance import TaskInstance
from palm.inference.run_card import command_here
from palm.kernels.precision import NAMES
from palm.reader.base import Reader
from palm.runtime.environment import named_threads
from palm.schema.run_description import (
    DataStatistics,
    LengthStatistics,
    RunDescription,
    TaskDescription,
    ValueOrigin,
)
from palm.storage.layout import FACTS_FILE, PALM_VERSION, RESOLVED_CONFIG
from palm.training.dev_split import write_dev_rows

MOST_COUNTED_ROWS = 20_000
"""Labels are counted in so many rows of a data set at most, evenly spread, so that training begins without delay."""

_RANGES = 24


def write_beginning(run: TrainingRun, config: RunConfig, folder: Path) -> None:
    """Write what is known of a run before its first step, or before the first one of a resumed run."""
    write_dev_rows(run.tasks, folder)
    (folder / FACTS_FILE).write_text(describe_run(run, config).model_dump_json(indent=1) + "\n", encoding="utf-8")
    text = yaml.safe_dump(dict(config.resolved), allow_unicode=True, sort_keys=False)
    (folder / RESOLVED_CONFIG).write_text(text, encoding="utf-8")


def describe_run(run: TrainingRun, config: RunConfig) -> RunDescription:
    """What is known of a run before its first step."""
    return RunDescription(
        palm_version=PALM_VERSION,
        started=datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
        command=tuple(command_here()),
        stage=config.stage,
        backbone=config.backbone_name,
        parameters=sum(int(parameter.size) for parameter in run.model.parameters()),
        device=str(paddle.device.get_device()),
        precision=NAMES[run.progress.amp],
        threads=named_threads() or os.cpu_count() or 1,
        processes=run.ranks.count,
        total_steps=run.total_steps,
        tasks=_tasks(run, config),
        origins=tuple(ValueOrigin(key=row.key, where=row.where, overridden=row.overridden) for row in config.explain),
    )


def _tasks(run: TrainingRun, config: RunConfig) -> dict[str, TaskDescription]:
    expected = expected_steps(run.tasks, run.settings.num_epochs, run.sampler.epoch_steps)
    asked = asked_fractions(run)
    names = {task.name: (task.reader_name, task.paradigm_name) for task in config.tasks}
    return {
        task.name: TaskDescription(
            reader=names[task.name][0],
            paradigm=names[task.name][1],
            target=task.settings.target,
            mix_ratio=task.settings.mix_ratio,
            asked=asked[task.name],
            expected_steps=expected[task.name],
            steps_per_epoch=task.steps_per_epoch,
            train=_statistics(task, task.train),
            dev=_statistics(task, task.dev),
        )
        for task in run.tasks
    }


def asked_fractions(run: TrainingRun) -> Mapping[str, float]:
    """The fraction of steps that the sampler is to give each task at its beginning."""
    weights = run.sampler.epoch_steps or [task.settings.mix_ratio for task in run.tasks]
    total = sum(weights)
    return {task.name: weight / total for task, weight in zip(run.tasks, weights, strict=True)}


def _statistics(task: TaskInstance, data: Dataset | None) -> DataStatistics | None:
    return None if data is None else describe_dataset(task.reader, data)


def describe_dataset(reader: Reader, data: Dataset) -> DataStatistics:
    """What a data set holds."""
    count = len(data.records)
    chosen = sorted({int(number) for number in np.linspace(0, count - 1, min(count, MOST_COUNTED_ROWS))})
    labels = Counter(label for number in chosen for label in reader.labels_of(data.records[number]))
    return DataStatistics(
        rows=count,
        examples=data.num_examples,
        lengths=describe_lengths(data.lengths),
        labels=dict(labels.most_common()),
        counted_rows=len(chosen),
    )


def describe_lengths(lengths: IntArray) -> LengthStatistics | None:
    """How long examples are; None without any."""
    if not len(lengths):
        return None
    shortest, longest = int(lengths.min()), int(lengths.max())
    counts, bounds = np.histogram(lengths, min(_RANGES, longest - shortest + 1), (shortest, longest + 1))
    return LengthStatistics(
        shortest=shortest,
        mean=float(lengths.mean()),
        median=float(np.median(lengths)),
        most=float(np.percentile(lengths, 95)),
        longest=longest,
        bounds=tuple(map(float, bounds)),
        counts=tuple(map(int, counts)),
    )
