"""Predict with the tasks of a session, alone or several from one pass of the encoder."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from palm.api.data_reader import DataReader
from palm.api.session import Session
from palm.api.task import Task
from palm.data.batching import plan_batches
from palm.data.dataset import Batch
from palm.engine.optim.weight_average import averaged
from palm.engine.predict import outputs_of, predict_jointly
from palm.inference.prediction_files import write_predictions
from palm.inference.prediction_rows import with_rows
from palm.paradigm.base import Prediction
from palm.randomness import philox
from palm.storage.atomic_directory import os_errors_as
from palm.training.log import say


def predict(
    session: Session, tasks: Sequence[Task], output_dir: str | Path | None, print_steps: int
) -> dict[str, list[Prediction]]:
    """Predictions of `tasks`, which share one reader of data to predict.

    Args:
        session: The model.
        tasks: Whose heads predict.
        output_dir: Folder for the predictions; of each task in a folder of its name, where there are several.
        print_steps: Batches between two lines that say how far it is; no line below 1.

    Raises:
        ConfigError: Something is missing or does not fit.
        CheckpointError: `output_dir` cannot be written.
    """
    reader = tasks[0].reader_for("predict")
    instances = [task.instance("predict", session.heads[task.name]) for task in tasks]
    with session.one_thread("predict"), averaged(session.average):
        progress = _progress(reader, print_steps, session.ranks.count)
        bare = predict_jointly(session.model, instances, reader.dataset, progress, ranks=session.ranks)
    found = {name: with_rows(predictions, reader.dataset, reader.component) for name, predictions in bare.items()}
    for instance in instances if output_dir is not None else ():
        folder = Path(output_dir or ".") / (instance.name if len(tasks) > 1 else "")
        with os_errors_as(folder, "output_dir"):
            write = partial(write_predictions, instance.paradigm, found[instance.name], folder)
            place = session.ranks.on_first(lambda: write().as_posix())  # noqa: B023 (called at once)
            say(f"{instance.name}: predictions saved at {place}")
    return found


def predict_batch(session: Session, tasks: Sequence[Task], batch: Batch) -> dict[str, dict[str, np.ndarray]]:
    """What the heads of `tasks` give for one batch."""
    instances = [task.instance("predict", session.heads[task.name]) for task in tasks]
    with session.one_thread("predict_one_batch"), averaged(session.average):
        return outputs_of(session.model, instances, batch)


class BatchesInOrder:
    """Hands out the batches of a reader one by one, in the order of the file."""

    def __init__(self) -> None:
        self._left: Iterator[Batch] | None = None

    def following(self, reader: DataReader) -> Batch | None:
        """The next batch; None after the last."""
        if self._left is None:
            self._left = batches_in_order(reader)
        return next(self._left, None)

    def restart(self) -> None:
        """Begin again, maybe with another reader."""
        self._left = None


def batches_in_order(reader: DataReader) -> Iterator[Batch]:
    """The batches of the loaded file, in its order, once."""
    data, size = reader.dataset, reader.batch_size
    plan = plan_batches(
        data.num_examples, batch_size=size, shuffle=False, drop_last=False, seed=reader.seed, task="", epoch=0
    )
    for number, rows in enumerate(plan):
        yield reader.component.collate(data, rows, philox(reader.seed, "evaluation", "", number))


def _progress(reader: DataReader, print_steps: int, processes: int) -> Callable[[int], None]:
    """Says `batch 1000/2500, speed: 3.14 steps/s` every `print_steps` batches, of those of this process."""
    size = reader.batch_size
    total = -(-reader.dataset.num_examples // (size * processes))
    started = time.perf_counter()

    def after_batch(done: int) -> None:
        number = -(-done // size)
        if print_steps > 0 and number % print_steps == 0:
            speed = number / max(time.perf_counter() - started, 1e-9)
            say(f"batch {number}/{total}, speed: {speed:.2f} steps/s")

    return after_batch
