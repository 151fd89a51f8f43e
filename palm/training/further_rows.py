"""Training rows besides those of train_file: variants of its rows, and rows with pseudo labels. Dev rows have none."""

from collections.abc import Iterator

import numpy as np

from palm.config.run_config import TaskConfig
from palm.data.augmentation import Augmentation, vary_rows
from palm.data.dataset import Dataset, Record
from palm.engine.task_instance import TaskInstance
from palm.errors import counted
from palm.reader.base import Reader
from palm.reader.further_rows import FurtherRowsFields
from palm.reader.loading import load_dataset


def with_further_rows(train: Dataset, reader: Reader, task: TaskConfig) -> Dataset:
    """The training data of a task with its further rows; pseudo labels are not augmented, as in PaddleNLP.

    Args:
        train: The rows of train_file that are trained on, without dev rows.
        reader: Its reader, which knows its labels.
        task: The task.

    Raises:
        DataError: All problems of the file with pseudo labels.
    """
    keys = reader.config
    if not isinstance(keys, FurtherRowsFields):
        return train
    found = train
    if keys.augment_type is not None:
        rule = Augmentation(
            keys.augment_type, keys.num_augment, keys.word_augment_percent, seed=task.settings.random_seed
        )
        found = _with_variants(train, reader, rule)
    if keys.pseudo_data_path is not None:
        # Such a file may be of another format than train_file.
        plain = type(reader)(keys.model_copy(update={"file_format": "auto"}), reader.tokenizer, reader.labels)
        labelled = load_dataset(plain, keys.pseudo_data_path, "train")
        found = found.with_rows(labelled, f"{counted(len(labelled.records), 'row')} of {labelled.file}")
    return found


def further_rows_lines(task: TaskInstance) -> Iterator[str]:
    """A message about the rows that a task is trained on besides those of its file."""
    for part in task.train.added if task.train is not None else ():
        base = counted(task.training_data.records_of_file, "training row")
        yield f"{task.name}: {part.origin} added to the {base} of {task.training_data.file}."


def _with_variants(train: Dataset, reader: Reader, rule: Augmentation) -> Dataset:
    texts = [{name: str(record[name]) for name in reader.text_columns if name in record} for record in train.records]
    variants = vary_rows(texts, rule)
    records: list[Record] = [
        {**record, **changed} for record, own in zip(train.records, variants, strict=True) for changed in own
    ]
    without = sum(not own for own in variants)
    origin = f"{counted(len(records), 'variant')} (augment_type: {rule.kind})"
    if without and rule.num:
        origin += f", none of {counted(without, 'row')} without words to change,"
    if not records:
        return train.with_rows(train.take(np.zeros(len(train.records), bool)), origin)
    return train.with_rows(reader.encode(records, train.file, "train"), origin)
