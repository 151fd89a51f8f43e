"""Run one or several heads over a whole data set: batches by length, outputs in the order of the examples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from paddle import Tensor

from palm.data.dataset import Batch, Dataset, IntArray
from palm.distributed.ranks import ONE, Ranks
from palm.engine.model import MultiTaskModel
from palm.engine.no_grad import without_gradients
from palm.engine.packed_outputs import pack, unpack
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem
from palm.kernels.precision import mixed_precision
from palm.metric.base import METRICS
from palm.paradigm.base import Outputs, Prediction
from palm.randomness import philox
from palm.runtime.progress import progress_bar
from palm.spec import Phase, unmet

ChoosePrecision = Callable[[Batch], AbstractContextManager[None]]
"""The context that decides the precision of a batch; without one, it is that of the model's training."""

Compute = Callable[[Sequence[TaskInstance], Batch, Phase], list[tuple[Outputs, float | None]]]
"""Computes the outputs of each task's head for one batch, and its mean loss in evaluation if the batch has gold."""


@dataclass(frozen=True)
class PredictionOutput:
    """The output of a model for a data set.

    Attributes:
        predictions: One per record, in the order of the file.
        loss: Mean loss per example; None in prediction, and if the reader has no gold in evaluation (mrc).
    """

    predictions: list[Prediction]
    loss: float | None


def evaluate_task(model: MultiTaskModel, task: TaskInstance, ranks: Ranks = ONE) -> dict[str, float]:
    """Loss and metrics of `task` over its dev data, of which each of `ranks` computes some batches.

    Raises:
        ValueError: The task has no dev data.
    """
    if task.dev is None:
        raise ValueError(f"Task `{task.name}` has no dev_file.")
    return metrics_over(model, task, task.dev, ranks=ranks)


def metrics_over(
    model: MultiTaskModel,
    task: TaskInstance,
    dataset: Dataset,
    precision: ChoosePrecision | None = None,
    *,
    ranks: Ranks = ONE,
) -> dict[str, float]:
    """Mean loss and metrics over a data set with gold labels, as fractions of 1.

    Raises:
        RegistryError: An unknown metric.
        ConfigError: A metric that does not fit the task's predictions.
    """
    return score(task, run_over(model, task, dataset, "eval", precision, ranks=ranks), dataset)


def score(task: TaskInstance, evaluation: PredictionOutput, dataset: Dataset) -> dict[str, float]:
    """Mean loss, if known, and metrics of predictions, as fractions of 1.

    Raises:
        RegistryError: An unknown metric.
        ConfigError: A metric that does not fit the task's predictions.
    """
    metrics = {name: METRICS[name] for name in task.settings.metrics or task.paradigm.default_metrics}
    scores = {} if evaluation.loss is None else {"loss": evaluation.loss}
    records = task.paradigm.gold_records(dataset.records)
    for name, metric in metrics.items():
        try:
            scores |= metric(evaluation.predictions, records)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            keys = ", ".join(evaluation.predictions[0])
            found = f"Found {type(error).__name__}: {error}; predictions are of {keys}."
            message = f"metric `{name}` does not fit the predictions of this task. {found} Choose or correct it."
            raise ConfigError(Problem(f"tasks.{task.name}.metrics", message)) from error
    return scores


def run_over(
    model: MultiTaskModel,
    task: TaskInstance,
    dataset: Dataset,
    phase: Phase,
    precision: ChoosePrecision | None = None,
    *,
    ranks: Ranks = ONE,
) -> PredictionOutput:
    """Outputs of every example, decoded to one prediction per record. The model is left in evaluation mode."""
    return run_with(computation(model, precision), task, dataset, phase, ranks=ranks)


def run_with(
    compute: Compute, task: TaskInstance, dataset: Dataset, phase: Phase, *, ranks: Ranks = ONE
) -> PredictionOutput:
    """The same with any computation of the outputs."""
    [outputs] = _run([task], _common_passes([task], dataset), [dataset.num_examples], compute, phase, ranks=ranks)
    return PredictionOutput(task.paradigm.decode(outputs.examples, dataset), outputs.loss)


def outputs_over(model: MultiTaskModel, task: TaskInstance, dataset: Dataset, ranks: Ranks = ONE) -> list[Outputs]:
    """Outputs of every example to predict, in order, as the paradigm splits them; all `ranks` return all of them."""
    compute = computation(model)
    [found] = _run([task], _common_passes([task], dataset), [dataset.num_examples], compute, "predict", ranks=ranks)
    return found.examples


def predict_each(
    tasks: Sequence[TaskInstance], datasets: Sequence[Dataset], compute: Compute
) -> list[list[Prediction]]:
    """Predictions of each task over its own data set.

    Tasks whose batches are equal are computed together, from one pass of the encoder. Each batch has the rows that it
    has for its task alone, so that predictions are the same to the last bit.

    Args:
        tasks: The tasks.
        datasets: The data set of each, from its reader.
        compute: Computes the outputs of a batch for several tasks.
    """
    found = _run(tasks, _equal_passes(tasks, datasets), [each.num_examples for each in datasets], compute, "predict")
    return [
        task.paradigm.decode(outputs.examples, dataset)
        for task, outputs, dataset in zip(tasks, found, datasets, strict=True)
    ]


AfterBatch = Callable[[int], None]
"""Called with the number of finished examples."""


def predict_jointly(
    model: MultiTaskModel,
    tasks: Sequence[TaskInstance],
    dataset: Dataset,
    after_batch: AfterBatch | None = None,
    *,
    ranks: Ranks = ONE,
) -> dict[str, list[Prediction]]:
    """Predictions of each task over one data set: the encoder sees each batch once, whichever heads follow.

    Args:
        model: Backbone and heads; it is left in evaluation mode.
        tasks: The tasks to predict; `dataset` is from their common reader.
        dataset: The data set to predict.
        after_batch: Called after each batch that this process computes.
        ranks: The processes that each compute some of the batches.

    Raises:
        ConfigError: The reader lacks an input of a head.
    """
    _check_fits(tasks, dataset)
    counts, passes = [dataset.num_examples] * len(tasks), _common_passes(tasks, dataset)
    found = _run(tasks, passes, counts, computation(model), "predict", after_batch, ranks=ranks)
    return {task.name: _decode(task, outputs.examples, dataset) for task, outputs in zip(tasks, found, strict=True)}


def outputs_of(model: MultiTaskModel, tasks: Sequence[TaskInstance], batch: Batch) -> dict[str, dict[str, np.ndarray]]:
    """Outputs of each task's head for one batch, as in `task.paradigm.outputs_attr`, by task name."""
    found = computation(model)(tasks, batch, "predict")
    return {task.name: dict(outputs) for task, (outputs, _) in zip(tasks, found, strict=True)}


def computation(model: MultiTaskModel, precision: ChoosePrecision | None = None) -> Compute:
    """The computation of `model`, which is put into evaluation mode."""
    model.eval()

    @without_gradients
    def compute(tasks: Sequence[TaskInstance], batch: Batch, phase: Phase) -> list[tuple[Outputs, float | None]]:
        with mixed_precision(model.amp) if precision is None else precision(batch):
            outputs = list(_forward_each(model, tasks, batch, phase))
        return [
            (_as_arrays(tensors), _loss(task, tensors, inputs) if phase == "eval" else None)
            for task, (tensors, inputs) in zip(tasks, outputs, strict=True)
        ]

    return compute


def _loss(task: TaskInstance, outputs: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> float | None:
    """Mean loss of a batch; None without gold."""
    has_gold = all(name in inputs for name in task.paradigm.reader_inputs("train"))
    return float(task.paradigm.loss(outputs, inputs)) if has_gold else None


@dataclass
class _HeadOutputs:
    """Outputs of one head for a data set.

    Attributes:
        examples: Outputs of each example, in the order of the data set.
        losses: Mean loss, number of examples, and number of each batch that has gold.
    """

    examples: list[Outputs]
    losses: list[tuple[float, int, int]]

    def add(self, rows: IntArray, outputs: Sequence[Outputs], loss: float | None, *, number: int) -> None:
        """Add the outputs of the batch `number`, whose examples are `rows`."""
        if loss is not None:
            self.losses.append((loss, len(rows), number))
        # Batches are sorted by length, longest first: outputs are returned in the order of examples.
        for row, output in zip(rows, outputs, strict=True):
            self.examples[row] = output

    @property
    def loss(self) -> float | None:
        """Mean loss per example; None without gold."""
        in_order = sorted(self.losses, key=lambda each: each[2])
        weight = sum(count for _, count, _ in in_order)
        return sum(loss * count for loss, count, _ in in_order) / weight if weight else None


@dataclass(frozen=True)
class _Pass:
    """A batch for several tasks.

    Attributes:
        tasks: Indices of the tasks.
        rows: The examples.
        batches: The batch of each task's reader.
        batch: All of their fields.
    """

    tasks: list[int]
    rows: IntArray
    batches: list[Batch]
    batch: Batch

    def add(self, tasks: Sequence[int], rows: IntArray, batch: Batch) -> bool:
        """Add tasks if their batch is equal in all fields that both have; returns whether it is."""
        common = batch.keys() & self.batch.keys()
        equal = all(_equal(batch[name], self.batch[name]) for name in common) and _equal(rows, self.rows)
        if equal and common:
            self.tasks.extend(tasks)
            self.batches.extend([batch] * len(tasks))
            self.batch.update(batch)
        return equal and bool(common)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


def _common_passes(tasks: Sequence[TaskInstance], dataset: Dataset) -> Iterator[_Pass]:
    """The batches of a data set from the reader of the first task, for all tasks."""
    for rows, batch in batches_by_length(tasks[0], dataset):
        yield _Pass(list(range(len(tasks))), rows, [batch] * len(tasks), batch)


def _equal_passes(tasks: Sequence[TaskInstance], datasets: Sequence[Dataset]) -> Iterator[_Pass]:
    """The batches of each task's data set; tasks with equal ones have a pass together."""
    groups = _batched_alike(tasks, datasets)
    streams = [batches_by_length(tasks[first], datasets[first]) for first, *_ in groups]
    for step in zip_longest(*streams):
        passes: list[_Pass] = []
        for group, found in zip(groups, step, strict=True):
            if found is not None and not any(each.add(group, *found) for each in passes):
                rows, batch = found
                passes.append(_Pass(list(group), rows, [batch] * len(group), dict(batch)))
        yield from passes


def _batched_alike(tasks: Sequence[TaskInstance], datasets: Sequence[Dataset]) -> list[list[int]]:
    """Indices of the tasks that have one data set and the same batches of it, a list for each of these."""
    groups: list[list[int]] = []
    for index, (task, dataset) in enumerate(zip(tasks, datasets, strict=True)):
        for group in groups:
            first = tasks[group[0]]
            same = datasets[group[0]] is dataset and _pred_batch_size(first) == _pred_batch_size(task)
            if same and first.reader.reads_alike(task.reader, with_gold=False):
                group.append(index)
                break
        else:
            groups.append([index])
    return groups


def _run(
    tasks: Sequence[TaskInstance],
    passes: Iterator[_Pass],
    counts: Sequence[int],
    compute: Compute,
    phase: Phase,
    after_batch: AfterBatch | None = None,
    *,
    ranks: Ranks = ONE,
) -> list[_HeadOutputs]:
    """Compute passes, and put the outputs of each task into the order of its examples.

    Args:
        tasks: The tasks.
        passes: The batches.
        counts: The number of examples of each task.
        compute: Computes the outputs of a batch.
        phase: Purpose of the passes.
        after_batch: Called after each batch.
        ranks: The ranks, of which each computes every `ranks.count`-th batch; all return the outputs of all batches.
    """
    found = [_HeadOutputs([{}] * size, []) for size in counts]
    done = 0
    what = f"{'evaluating' if phase == 'eval' else 'predicting'} {', '.join(task.name for task in tasks)}"
    with progress_bar(what, sum(counts)) as advance:
        for number, each in enumerate(passes):
            advance(len(each.rows) * len(each.tasks))
            if number % ranks.count != ranks.index:
                continue
            computed = compute([tasks[index] for index in each.tasks], each.batch, phase)
            for index, batch, (outputs, loss) in zip(each.tasks, each.batches, computed, strict=True):
                examples = tasks[index].paradigm.split(outputs, batch)
                found[index].add(each.rows, examples, loss, number=number)
            done += len(each.rows)
            if after_batch is not None:
                after_batch(done)
    if ranks.count > 1:
        for head in found:
            _share_outputs(head, ranks)
    return found


def _share_outputs(head: _HeadOutputs, ranks: Ranks) -> None:
    """Give the outputs of each rank's batches to all ranks."""
    own = {number: output for number, output in enumerate(head.examples) if output}
    sent, head.losses = pack(own, head.losses), []
    for received in ranks.gather(sent):
        examples, losses = unpack(received)
        head.losses += losses
        for number, output in examples.items():
            head.examples[number] = output


def _forward_each(
    model: MultiTaskModel, tasks: Sequence[TaskInstance], batch: Batch, phase: Phase
) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Outputs of each task's head, and its inputs."""
    for task, inputs in zip(tasks, model.encode_for(tasks, batch), strict=True):
        yield task.paradigm.forward(model.heads[task.head], inputs, phase), inputs


def _as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def batches_by_length(task: TaskInstance, dataset: Dataset) -> Iterator[tuple[IntArray, Batch]]:
    """Indices of the examples and batch, for the whole data set; longest first."""
    size = _pred_batch_size(task)
    order = np.argsort(-dataset.lengths, kind="stable")
    for number, start in enumerate(range(0, len(order), size)):
        rows = order[start : start + size]
        yield rows, task.reader.collate(dataset, rows, philox(task.seed, "evaluation", task.name, number))


def _pred_batch_size(task: TaskInstance) -> int:
    return task.settings.pred_batch_size or task.settings.batch_size


def _check_fits(tasks: Sequence[TaskInstance], dataset: Dataset) -> None:
    problems = []
    for task in tasks:
        missing = [
            f"`{name}`" for name in unmet(task.paradigm.reader_inputs("predict"), task.reader.outputs_attr("predict"))
        ]
        missing += [f"`{name}`" for name in task.paradigm.decode_columns if name not in dataset.columns]
        if missing:
            rule = f"the head of `{task.name}` needs {', '.join(missing)}, which the reader does not provide."
            problems.append(Problem("predict", f"{rule} Use a reader of the kind that it was trained with."))
    if problems:
        raise ConfigError(problems)


def _decode(task: TaskInstance, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
    """One prediction per record, also if the reader, chosen for another head, makes several examples of a record."""
    if task.paradigm.decode_columns:
        return task.paradigm.decode(outputs, dataset)
    rows = _first_examples(dataset)
    columns = {"record": dataset.array("record")[rows]}
    return task.paradigm.decode([outputs[row] for row in rows], Dataset(columns, dataset.records, dataset.file))


def _first_examples(dataset: Dataset) -> IntArray:
    """The first example of each record, such as the first window of a text."""
    first: IntArray = np.unique(dataset.array("record"), return_index=True)[1]
    return first
