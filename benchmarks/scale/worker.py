"""Trains cases, alone or as one of several ranks: `python -m benchmarks.scale.worker CASES RESULTS`.

Writes `RESULTS.<processes>.<rank>.json`, and the parameters of each case to `RESULTS.<processes>.<number>.npz`.
"""

import hashlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

import palm
from benchmarks.scale.cases import Case, read_cases
from palm.distributed.ranks import Ranks, current_ranks
from palm.engine.model import MultiTaskModel
from palm.engine.predict import evaluate_task
from palm.engine.run import TrainingRun


def main(words: list[str]) -> int:
    """Train what is in a file of cases."""
    cases, results = read_cases(Path(words[0])), Path(words[1])
    ranks = current_ranks()
    found = {}
    for number, case in enumerate(cases):
        began = time.monotonic()
        try:
            found[case.name] = _result(case, ranks, results.with_name(f"{results.name}.{ranks.count}.{number}.npz"))
        except Exception:
            found[case.name] = {"error": traceback.format_exc()}
        found[case.name]["seconds"] = time.monotonic() - began
        place = results.with_name(f"{results.name}.{ranks.count}.{ranks.index}.json")
        place.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    return 0


def _result(case: Case, ranks: Ranks, weights: Path) -> dict[str, Any]:
    """What became of a case."""
    said = StringIO()
    with ExitStack() as around:
        around.enter_context(redirect_stdout(said))
        if case.not_finite:
            around.enter_context(_a_word_is_nan())
        if case.stop_after:
            around.enter_context(_stopped_in(case.stop_after, ranks))
        controller = palm.Controller(dict(case.config), overrides=[])
        around.enter_context(_run_kept(controller))
        ended: object = None
        try:
            controller.train()
        except SystemExit as stop:
            ended = stop.code
        found = {"ended": ended, "said": said.getvalue(), **_state(controller, ranks, weights)}
        if case.predicts:
            found |= _predicted(controller, ranks)
    return found


def _state(controller: palm.Controller, ranks: Ranks, weights: Path) -> dict[str, Any]:
    run: TrainingRun = controller.__dict__["kept_run"]
    arrays = {name: tensor.numpy() for name, tensor in sorted(run.model.state_dict().items())}
    digest = hashlib.sha256(b"".join(name.encode() + array.tobytes() for name, array in arrays.items()))
    average = run.average.state() if run.average is not None else {}
    for name, tensor in sorted(average.items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    if ranks.first:
        np.savez(weights, **arrays)
    with_dev = [task for task in run.tasks if task.dev is not None]
    alone = {task.name: evaluate_task(run.model, task) for task in with_dev if ranks.first}
    together = {task.name: evaluate_task(run.model, task, ranks) for task in with_dev} if ranks.count > 1 else alone
    steps = {"global_step": run.progress.global_step, "task_steps": run.progress.task_steps}
    return {"sha256": digest.hexdigest(), **steps, "metrics_alone": alone, "metrics_together": together}


def _predicted(controller: palm.Controller, ranks: Ranks) -> dict[str, Any]:
    """Predictions of the exported model by all ranks, and by this process alone."""
    found: dict[str, Any] = {}
    for task in controller.config.tasks:
        predictor = controller.predictor(task.name)
        alone = predictor.predict(task.settings.pred_file or "") if ranks.first else None
        found[f"predictions of {task.name}"] = [controller.pred(task.name, predictor=predictor), alone]
        scores = predictor.evaluate(task.settings.dev_file) if ranks.first and task.settings.dev_file else None
        if task.settings.dev_file:
            found[f"metrics of {task.name}"] = [controller.evaluate(task.name), scores]
    return found


@contextmanager
def _run_kept(controller: palm.Controller) -> Iterator[None]:
    """Keep the run of a controller as `kept_run`."""
    build = controller._training_run

    def kept() -> TrainingRun:
        controller.__dict__["kept_run"] = build()
        return controller.__dict__["kept_run"]

    controller.__dict__["_training_run"] = kept
    yield


@contextmanager
def _patched_loss(before: Any) -> Iterator[None]:  # noqa: ANN401 (a function of any arguments)
    true_loss = MultiTaskModel.loss

    def loss(self: MultiTaskModel, task: Any, batch: Any, *rest: Any, **keys: Any) -> Any:  # noqa: ANN401 (passed on)
        return true_loss(self, task, batch, *rest, **keys) * before(task, batch)

    MultiTaskModel.loss = loss  # type: ignore[method-assign]
    try:
        yield
    finally:
        MultiTaskModel.loss = true_loss  # type: ignore[method-assign]


@contextmanager
def _a_word_is_nan() -> Iterator[None]:
    """The loss of a batch with the word `not` is NaN."""

    def factor(task: Any, batch: Any) -> float:  # noqa: ANN401 (a task and its batch)
        word = task.reader.tokenizer.readable_tokens.index("not")
        return float("nan") if (batch["token_ids"] == word).any() else 1.0

    with _patched_loss(factor):
        yield


@contextmanager
def _stopped_in(step: int, ranks: Ranks) -> Iterator[None]:
    """Send SIGTERM to the last rank alone in the `step`-th pass."""
    passes = 0

    def factor(task: object, batch: object) -> float:
        nonlocal passes
        del task, batch
        passes += 1
        if passes == step and ranks.index == ranks.count - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    with _patched_loss(factor):
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
