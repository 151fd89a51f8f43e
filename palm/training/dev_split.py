"""`dev_file: 10%`: dev rows that are split off train_file, and the file that names them in the folder of the run."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palm.config.run_config import RunConfig, TaskConfig
from palm.data.dataset import Dataset, Record
from palm.data.splitting import dev_mask
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, DataError, Problem, counted
from palm.reader.base import Reader
from palm.reader.loading import load_dataset
from palm.schema.saved_model import read_json_object
from palm.storage.layout import DEV_ROWS_FILE


def mask_of(config: RunConfig, task: TaskConfig, reader: Reader, records: Sequence[Record]) -> "NDArray[np.bool_]":
    """Which records of train_file are dev rows; none without a fraction in dev_file.

    Tasks that share rows are split alike, by the seed of the task whose rows they share.

    Raises:
        DataError: The fraction leaves no row for one of the two.
    """
    fraction = task.settings.dev_fraction
    if fraction is None:
        return np.zeros(len(records), bool)
    leader = task.settings.share_rows_with or task.name
    followers = [other for other in config.tasks if other.settings.share_rows_with]
    seeds = {other.name: other.settings.random_seed for other in config.tasks}
    mask = dev_mask(
        [reader.group_of(record) for record in records],
        [reader.stratum_of(record) for record in records],
        fraction=fraction,
        seed=seeds.get(leader, task.settings.random_seed),
        by_group_alone=any(leader in (other.name, other.settings.share_rows_with) for other in followers),
    )
    if mask.all() or not mask.any():
        found = f"Found {counted(len(records), 'row')}, of which {int(mask.sum())} would be dev rows"
        rule = f"dev_file: {task.settings.dev_file} leaves rows for training and rows to evaluate on. {found}."
        raise DataError(Problem(str(task.settings.train_file), f"{rule} Change it, or name a file."))
    return mask


def load_split(config: RunConfig, task: TaskConfig, reader: Reader) -> tuple[Dataset, Dataset]:
    """Training and dev data from train_file.

    Raises:
        DataError: All problems of the file, or rows too few to split.
    """
    file = str(task.settings.train_file)
    train = load_dataset(reader, file, "train")
    mask = mask_of(config, task, reader, train.records)
    lines = {line_of(train.records[int(number)]) for number in np.flatnonzero(mask)}
    return train.take(~mask), load_lines(reader, file, lines)


def load_lines(reader: Reader, file: str, lines: set[int]) -> Dataset:
    """The rows `lines` of a file, to evaluate on.

    Raises:
        DataError: All problems of the file.
    """
    whole = load_dataset(reader, file, "eval", report=False)
    return whole.take(np.array([line_of(record) in lines for record in whole.records], bool))


def line_of(record: Record) -> int:
    """The line of a record, which names it in its file."""
    return int(str(record["line"]))


def split_lines(tasks: Sequence[TaskInstance]) -> list[str]:
    """A message for each task whose dev rows are split off."""
    return [
        f"{task.name}: {len(task.dev.records)} of {len(task.dev.records) + task.train.records_of_file} records of "
        f"{task.dev.file} are dev rows (dev_file: {task.settings.dev_file}), named in {DEV_ROWS_FILE}."
        for task in tasks
        if task.dev is not None and task.train is not None and task.settings.dev_fraction is not None
    ]


def write_dev_rows(tasks: Sequence[TaskInstance], save_path: Path) -> None:
    """Name the dev rows of each task whose dev_file is a fraction: `save_path/<task>/dev_rows.json`.

    Raises:
        OSError: The file cannot be written.
    """
    for task in tasks:
        if task.dev is not None and task.settings.dev_fraction is not None:
            content = {
                "train_file": str(task.dev.file),
                "dev_file": task.settings.dev_file,
                "unit": task.reader.record_unit,
                "rows": [line_of(record) for record in task.dev.records],
                "texts": _fingerprint(task.dev.records),
            }
            folder = save_path / task.name
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
            (folder / DEV_ROWS_FILE).write_text(text, encoding="utf-8")


def read_dev_rows(reader: Reader, task: TaskConfig, save_path: Path) -> Dataset:
    """The dev rows of a run, which its folder names.

    Raises:
        CheckpointError: No such file, or train_file has changed since.
        DataError: All problems of train_file.
    """
    file = save_path / task.name / DEV_ROWS_FILE
    if not file.is_file():
        rule = f"dev_file: {task.settings.dev_file} are rows that the run has named. Found no {file}."
        raise CheckpointError(f"{rule} Train first, or name a file (`palm eval --file`).")
    named = read_json_object(file)
    rows = named.get("rows")
    lines = {int(row) for row in rows if isinstance(row, int)} if isinstance(rows, list) else set()
    dataset = load_lines(reader, str(task.settings.train_file), lines)
    if not lines or _fingerprint(dataset.records) != named.get("texts"):
        found = f"Found others in {task.settings.train_file}"
        raise CheckpointError(f"{file}: names the dev rows of the run. {found}. Restore the file, or name another.")
    return dataset


def _fingerprint(records: Sequence[Record]) -> str:
    """A sha256 of records in their order."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(json.dumps(record, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
