"""A step of several ranks: each computes its part, then they agree on losses, on faults, and on whether to stop.

One message holds all of it, and in a step that updates the model its gradients, too.
"""

import json
import math
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from paddle import Tensor

from palm.engine.batches import StepBatch
from palm.engine.early_sums import EarlySums
from palm.engine.forward_backward import OVERFLOW, PassResult, passes
from palm.engine.optim.gradient_sums import sum_facts
from palm.engine.optim.gradients import StepGradients
from palm.engine.run import TrainingRun
from palm.engine.task_gradients import TaskSums
from palm.kernels.fused.row_table import RowNumbers

ComputeParts = Callable[[Sequence[StepBatch]], list[PassResult]]
"""Forward and backward of some batches of a step; the loss of each, and what is not finite."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OVERFLOWN = 2.0**-20
"""An overflow in the sum of faults: fewer than a million ranks have less than a fault of them."""


def compute_and_agree(
    run: TrainingRun, parts: Sequence[StepBatch], compute: ComputeParts, *, updates: bool
) -> list[PassResult]:
    """The loss of each of `parts` over all ranks, and what is not finite on any of them; the same on every rank.

    Batches with a fault are left out of the gradients, as if they were none: the others are computed once more, without
    them. If the step updates the model, the gradients are summed over the ranks.

    Args:
        run: The run.
        parts: This rank's parts of the batches.
        compute: Computes them.
        updates: Whether the step updates the model.
    """
    before = _Gradients.of(run)
    results: dict[str, PassResult] = {}
    remaining = list(parts)
    while True:
        run.rank_gradients.add([part.rank_part for part in remaining if part.rank_part is not None])
        early = _early_sums(run, remaining) if updates and remaining else None
        if early is not None:
            early.begin()
        outcomes = compute(remaining) if remaining else []
        found = _agree(run, remaining, outcomes, updates=updates, done=early.finish() if early is not None else None)
        fatal = any(faults >= 1 for _, faults in found)
        texts = _describe(run, outcomes) if fatal else [OVERFLOW] * len(remaining)
        for part, (loss, faults), text in zip(remaining, found, texts, strict=True):
            results[part.task.name] = loss, (text if faults >= 1 else OVERFLOW) if faults else None
        if not any(faults for _, faults in found) or (fatal and run.settings.on_nan == "abort"):
            return [results[part.task.name] for part in parts]
        before.restore(run)
        remaining = [part for part, (_, faults) in zip(remaining, found, strict=True) if not faults]


@dataclass(frozen=True)
class _Gradients:
    """The gradients of earlier batches of an update.

    Attributes:
        whole: Those on the parameters.
        per_task: Those of each task, where a gradient method combines them.
        words: The tokens of these batches.
    """

    whole: StepGradients
    per_task: TaskSums | None
    words: RowNumbers

    @classmethod
    def of(cls, run: TrainingRun) -> "_Gradients":
        """Those of now."""
        per_task = None if run.task_gradients is None else run.task_gradients.copied()
        return cls(run.optimizer.copied_gradients(), per_task, run.rank_gradients.words)

    def restore(self, run: TrainingRun) -> None:
        """Go back to them, so often as needed."""
        copied = {name: gradient.clone() for name, gradient in self.whole.items()}
        run.optimizer.set_gradients(self.whole.replaced(copied, self.whole.rows))
        if run.task_gradients is not None and self.per_task is not None:
            sums, counts = self.per_task
            run.task_gradients.reset(({task: dict(each) for task, each in sums.items()}, dict(counts)))
        run.rank_gradients.words = self.words


def _early_sums(run: TrainingRun, parts: Sequence[StepBatch]) -> EarlySums | None:
    """What sums gradients during the backward pass, if they are final after it."""
    per_task = run.task_gradients is not None or run.shared_layer is not None
    batches = run.settings.gradient_accumulation_steps
    simple = batches == 1 and not per_task and not run.settings.adversarial_epsilon
    one_pass = len(passes(parts, per_task=False)) == 1 and not parts[0].task.settings.smart_weight
    in_float16 = run.progress.amp == "fp16"  # gradients are scaled until the pass is over
    return run.early_sums if simple and one_pass and not in_float16 else None


def _agree(
    run: TrainingRun,
    parts: Sequence[StepBatch],
    outcomes: Sequence[PassResult],
    *,
    updates: bool,
    done: Mapping[str, Tensor] | None = None,
) -> list[tuple[float, float]]:
    """The loss of each part (NaN if it is not finite on a rank), and the number of ranks that found a fault in it.

    An overflow counts as a small part of a fault.
    """
    facts: list[float] = []
    for part, (loss, fault) in zip(parts, outcomes, strict=True):
        finite = math.isfinite(loss)
        weight = 0.0 if fault is None else _OVERFLOWN if fault == OVERFLOW else 1.0
        facts += [part.share * loss if finite else 0.0, float(not finite), weight]
    facts += [float(run.ranks.stop == number) for number in _SIGNALS]
    if updates and run.task_gradients is None and run.optimizer.has_gradients():
        facts = run.optimizer.sum_over(run.ranks, run.rank_gradients.words, facts, done=done)
    else:
        facts = sum_facts(facts, run.ranks)
    *of_parts, interrupts, terminations = facts
    run.ranks.agreed_stop = signal.SIGINT if interrupts else signal.SIGTERM if terminations else 0
    by_part = zip(of_parts[::3], of_parts[1::3], of_parts[2::3], strict=True)
    return [(math.nan if not_finite else loss, faults) for loss, not_finite, faults in by_part]


def _describe(run: TrainingRun, outcomes: Sequence[PassResult]) -> list[str]:
    """What is not finite in each part, on the first rank that found something: each describes its own."""
    own = json.dumps([fault for _, fault in outcomes]).encode()
    by_rank = [json.loads(data) for data in run.ranks.gather(own)]
    texts = []
    for column in zip(*by_rank, strict=True):
        found = [f"{text} (rank {rank})" for rank, text in enumerate(column) if text not in (None, OVERFLOW)]
        texts.append(found[0] if found else "")
    return texts
