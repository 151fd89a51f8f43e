"""Predict with several heads from one pass of the encoder."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import paddle
from paddle import Tensor

from palm.data.dataset import Batch, Dataset, IntArray
from palm.engine.evaluate import batches_by_length
from palm.engine.model import MultiTaskModel
from palm.errors import ConfigError, Problem
from palm.paradigm.base import Outputs, Prediction
from palm.spec import unmet
from palm.task_instance import TaskInstance

AfterBatch = Callable[[int], None]
"""Called with the number of examples that are done."""


def predict_jointly(
    model: MultiTaskModel, tasks: Sequence[TaskInstance], dataset: Dataset, after_batch: AfterBatch | None = None
) -> dict[str, list[Prediction]]:
    """Predictions of each task over one data set: the encoder sees each batch once, whichever heads follow.

    Args:
        model: Backbone and heads; it is left in evaluation mode.
        tasks: Their heads predict; their reader, the same for all, made `dataset`.
        dataset: What to predict.
        after_batch: Told how far it is.

    Raises:
        ConfigError: The reader does not give what a head needs.
    """
    _check_fits(tasks, dataset)
    outputs: dict[str, list[Outputs]] = {task.name: [{}] * dataset.num_examples for task in tasks}
    done = 0
    for rows, batch in batches_by_length(tasks[0], dataset):
        for task, split in _of_batch(model, tasks, batch):
            for row, output in zip(rows, split, strict=True):
                outputs[task.name][row] = output
        done += len(rows)
        if after_batch is not None:
            after_batch(done)
    return {task.name: _decode(task, outputs[task.name], dataset) for task in tasks}


@paddle.no_grad()
def outputs_of(model: MultiTaskModel, tasks: Sequence[TaskInstance], batch: Batch) -> dict[str, dict[str, np.ndarray]]:
    """What each task's head gives for one batch, from one pass of the encoder to each layer that a head wants."""
    model.eval()
    encoded: dict[tuple[int, str | None], dict[str, Tensor]] = {}
    found = {}
    for task in tasks:
        layer = task.settings.layer
        seen = layer, task.head if model.own_parts(task.head) else None
        if seen not in encoded:
            encoded[seen] = model.encode(batch, layer=layer, head=task.head)
        tensors = task.paradigm.forward(model.heads[task.head], encoded[seen], "predict")
        found[task.name] = {name: tensor.numpy() for name, tensor in tensors.items()}
    return found


def _of_batch(
    model: MultiTaskModel, tasks: Sequence[TaskInstance], batch: Batch
) -> Iterator[tuple[TaskInstance, list[Outputs]]]:
    arrays = outputs_of(model, tasks, batch)
    for task in tasks:
        yield task, task.paradigm.split(arrays[task.name], batch)


def _check_fits(tasks: Sequence[TaskInstance], dataset: Dataset) -> None:
    problems = []
    for task in tasks:
        missing = [
            f"`{name}`" for name in unmet(task.paradigm.reader_inputs("predict"), task.reader.outputs_attr("predict"))
        ]
        missing += [f"`{name}`" for name in task.paradigm.decode_columns if name not in dataset.columns]
        if missing:
            rule = f"the head of `{task.name}` needs {', '.join(missing)}, which the reader does not give."
            problems.append(Problem("predict", f"{rule} Fit a reader of the kind that it was trained with."))
    if problems:
        raise ConfigError(problems)


def _decode(task: TaskInstance, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
    if task.paradigm.decode_columns:
        return task.paradigm.decode(outputs, dataset)
    rows = _first_examples(dataset)
    columns = {"record": dataset.array("record")[rows]}
    return task.paradigm.decode([outputs[row] for row in rows], Dataset(columns, dataset.records, dataset.file))


def _first_examples(dataset: Dataset) -> IntArray:
    """The first example of each record: of a text in several windows, the one with its beginning."""
    first: IntArray = np.unique(dataset.array("record"), return_index=True)[1]
    return first
