"""Compares the outputs of an exported graph with those of PALM's own kernels in float32, over real rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palm.data.dataset import Batch, Dataset
from palm.engine.predict import batches_by_length
from palm.engine.task_instance import TaskInstance
from palm.inference.runtime import Runtime
from palm.randomness import philox
from palm.runtime.progress import with_progress
from palm.spec import as_spec

TOLERANCE = 1e-5
"""Largest difference of an output in float32: absolute up to 1, relative to the output above."""
MOST_ROWS = 64
"""Rows per task that are compared."""


@dataclass(frozen=True)
class OutputDifference:
    """How far one output of a graph is from PALM's.

    Attributes:
        task: The task.
        output: The output's name.
        rows: Number of records that were compared.
        source: Where they are from.
        largest: The largest difference, absolute up to 1, relative to PALM's output above; of whole numbers, such as
            token ids, how many differ where they should not.
    """

    task: str
    output: str
    rows: int
    source: str
    largest: float

    @property
    def passes(self) -> bool:
        """Whether it is small enough; NaN is not."""
        return self.largest <= TOLERANCE


def compare(
    one: Runtime, other: Runtime, tasks: Sequence[TaskInstance], datasets: Mapping[str, Dataset]
) -> list[OutputDifference]:
    """The differences of all outputs of all tasks, over up to `MOST_ROWS` records each.

    Args:
        one: The reference.
        other: What is compared with it.
        tasks: The tasks.
        datasets: Rows to predict, by task.
    """
    found: list[OutputDifference] = []
    for task in tasks:
        data = some_records(datasets[task.name])
        largest: dict[str, float] = dict.fromkeys(task.paradigm.outputs_attr("predict"), 0.0)
        for batch in with_progress(_batches(task, data), f"comparing {task.name} with PALM", unit="batch"):
            [ours], [theirs] = (runtime.outputs([task], batch, "predict") for runtime in (one, other))
            for name, difference in _differences(task, batch, ours, theirs).items():
                largest[name] = _larger(largest[name], difference)
        found += [
            OutputDifference(task.name, name, len(data.records), str(data.file), difference)
            for name, difference in largest.items()
        ]
    return found


def some_records(dataset: Dataset) -> Dataset:
    """The data set, or `MOST_ROWS` of its records at equal distances."""
    count = len(dataset.records)
    if count <= MOST_ROWS:
        return dataset
    kept = np.zeros(count, bool)
    kept[np.linspace(0, count - 1, MOST_ROWS).astype("int64")] = True
    return dataset.take(kept)


def table(differences: Sequence[OutputDifference]) -> list[str]:
    """The differences as lines of text."""
    names = [f"{each.task}.{each.output}" for each in differences]
    width = max(map(len, names), default=0)
    verdicts = ("TOO LARGE", "ok")
    return [
        f"{name:<{width}}  {each.largest:.1e}  {verdicts[each.passes]}  ({each.rows} rows: {each.source})"
        for name, each in zip(names, differences, strict=True)
    ]


def _batches(task: TaskInstance, dataset: Dataset) -> Iterator[Batch]:
    """The batches of prediction, and one of a single example: libraries take other ways for it."""
    for _, batch in batches_by_length(task, dataset):
        yield batch
    yield task.reader.collate(dataset, np.zeros(1, "int64"), philox(0, "verify"))


def _differences(
    task: TaskInstance, batch: Batch, ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> dict[str, float]:
    specs = task.paradigm.outputs_attr("predict")
    found: dict[str, float] = {}
    for name in specs:
        one, other = ours[name], theirs[name]
        if one.shape != other.shape:
            found[name] = np.inf
            continue
        if as_spec(specs[name]).axes.split()[:2] == ["batch", "seq"]:  # what padding gets means nothing
            real = batch["input_mask"] > 0
            one, other = one[real], other[real]
        if one.dtype.kind == "f":
            found[name] = distance(one, other)
        else:
            found[name] = float(np.count_nonzero((one != other) & ~_tied(one, ours)))
    return found


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, relative where `one` is above 1; NaN if a number is."""
    if not one.size:
        return 0.0
    ours, theirs = one.astype("float64"), other.astype("float64")
    return float((np.abs(ours - theirs) / np.maximum(np.abs(ours), 1.0)).max())


def _tied(ids: np.ndarray, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Where the order of `ids`, best first, is a matter of rounding: next to an equal score, and at the last place."""
    scores = [array for array in outputs.values() if array.dtype.kind == "f" and array.shape == ids.shape]
    if not scores or ids.ndim != 2:
        return np.zeros(ids.shape, bool)
    tied = np.zeros(ids.shape, bool)
    close = np.abs(np.diff(scores[0], axis=-1)) <= TOLERANCE
    tied[:, :-1] |= close
    tied[:, 1:] |= close
    tied[:, -1] = True
    return tied


def _larger(one: float, other: float) -> float:
    return float(np.maximum(one, other))  # NaN if one is
