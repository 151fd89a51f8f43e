"""NaN and Inf in losses and gradients: `python -m benchmarks.faults.not_finite [--count 100]`.

Each run has one at a random step; it must be found before the update, with task, step and the rows of the batch.
"""

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import palm
from palm.engine.checkpoint import checkpoints, save_checkpoint
from palm.engine.run import TrainingRun
from palm.engine.train import train_steps
from palm.errors import TrainingError
from palm.storage.tensors import first_non_finite, load_tensors
from tests.integration import tiny

MESSAGE = re.compile(
    r"global step (\d+), task (\w+), step \d+/\d+ \(epoch \d+\), \S+ lines \d+(, \d+)*: the loss and all gradients are "
    r"finite numbers\. Found: (the loss is (nan|-?inf)|the gradient of `[\w.]+` is not finite)"
)


def training_run(folder: Path, on_nan: str) -> TrainingRun:
    """A run of two tasks and fourteen steps or so."""
    tasks = {"water": tiny.classification_task(folder, "water", count=32), "slots": tiny.slot_task(folder, "slots")}
    keys = {"num_epochs": 2, "on_nan": on_nan, "save_every_n_steps": 1, "gradient_accumulation_steps": 2}
    return palm.Controller(tiny.config(folder, tasks, **keys), overrides=[])._training_run()


@contextmanager
def poisoned(run: TrainingRun, step: int, kind: str) -> Iterator[None]:
    """The loss of the `step`-th batch, or only its gradient, is not finite."""
    import paddle  # noqa: PLC0415 (PALM sets the environment up before it)

    count, true_loss = 0, run.model.loss

    def loss(task: object, batch: object, **rest: object) -> object:
        nonlocal count
        count += 1
        found = true_loss(task, batch, **rest)  # type: ignore[arg-type]
        if count != step:
            return found
        if kind == "gradient":  # the slope of a square root at zero
            return found + paddle.sqrt(found - found.detach())
        return found * float(kind)

    run.model.loss = loss  # type: ignore[method-assign, assignment]
    yield


def trial(folder: Path, kind: str, on_nan: str, step: int) -> str:
    """The outcome of one run."""
    run = training_run(folder, on_nan)
    updates: list[int] = []
    true_step: Callable[[float], None] = run.optimizer.step

    def update(rate: float) -> None:
        updates.append(first_non_finite(run.optimizer.gradients()) is not None)
        true_step(rate)

    run.optimizer.step = update  # type: ignore[method-assign]
    said = ""
    with poisoned(run, step, kind):
        try:
            for result in train_steps(run):
                said = result.fault or said
                save_checkpoint(run, folder / "ckpt", keep=2)
        except TrainingError as error:
            said = str(error)
    named = MESSAGE.match(said)
    if named is None or int(named[1]) != step:
        return f"not named: {said}"
    if any(updates):
        return "reached an update"
    files = [file for path in checkpoints(folder / "ckpt") for file in path.glob("*.safetensors")]
    bad = [file for file in files if first_non_finite(load_tensors(file)) is not None]
    return "saved" if bad else "found before the update"


def main() -> int:
    """Print the result; 1 if one was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, began, ends = Random(options.seed), time.monotonic(), Counter[str]()
    for number in range(options.count):
        kind = ("nan", "inf", "-inf", "gradient")[number % 4]
        on_nan = ("abort", "skip")[number // 4 % 2]
        with tempfile.TemporaryDirectory() as place:
            end = trial(Path(place), kind, on_nan, chance.randint(1, 10))
        ends[end] += 1
        if end != "found before the update":
            print(f"{kind}, {on_nan}: {end}")
    print(f"not finite: {ends['found before the update']}/{options.count} found before the update, with the rows named")
    print(f"{time.monotonic() - began:.0f} s")
    return int(ends["found before the update"] != options.count)


if __name__ == "__main__":
    sys.exit(main())
