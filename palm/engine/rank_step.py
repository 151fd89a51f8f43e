"""A step of several ranks: each computes its part, then they agree on losses, on faults, and on whether to stop.

One message holds all of it, and in a step that updates the model its gradients, too.
"""

import json
import math
import signal
from collections.abc import Callable, Mapping, Sequence

from paddle import Tensor

from palm.engine.batches import StepBatch
from palm.engine.early_sums import EarlySums
from palm.engine.forward_backward import PassResult, passes
from palm.engine.gradient_sums import sum_facts
from palm.engine.run import TrainingRun

Compute = Callable[[Sequence[StepBatch]], list[PassResult]]
"""Forward and backward of some batches of a step; the loss of each, and what is not finite."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def compute_and_agree(
    run: TrainingRun, parts: Sequence[StepBatch], compute: Compute, *, updates: bool
) -> list[PassResult]:
    """The loss of each of `parts` over all ranks, and what is not finite on any of them; the same on every rank.

    Batches with a fault are left out of the gradients, as if they were none. If the step updates the model, the
    gradients are summed over the ranks.

    Args:
        run: The run.
        parts: This rank's parts of the batches.
        compute: Computes them.
        updates: Whether the step updates the model.
    """
    pending = run.optimizer.copied_gradients()
    kept = run.task_gradients.copied() if run.task_gradients is not None else None
    words = run.rank_gradients.words
    run.rank_gradients.add([part.rank_part for part in parts if part.rank_part is not None])
    early = _early_sums(run, parts) if updates else None
    if early is not None:
        early.begin()
    outcomes = compute(parts)
    found = _agree(run, parts, outcomes, updates=updates, done=early.finish() if early is not None else None)
    if not any(faulty for _, faulty in found):
        return [(loss, None) for loss, _ in found]
    faults = _describe(run, outcomes)
    results: list[PassResult] = [
        (loss, text if faulty else None) for (loss, faulty), text in zip(found, faults, strict=True)
    ]
    if run.settings.on_nan == "abort":
        return results
    # Once more, without the batches that are not finite.
    run.optimizer.set_gradients(pending)
    if run.task_gradients is not None and kept is not None:
        run.task_gradients.reset(kept)
    run.rank_gradients.words = words
    rest = [part for part, (_, faulty) in zip(parts, found, strict=True) if not faulty]
    run.rank_gradients.add([part.rank_part for part in rest if part.rank_part is not None])
    again = compute(rest) if rest else []
    _agree(run, rest, again, updates=updates)
    return results


def _early_sums(run: TrainingRun, parts: Sequence[StepBatch]) -> EarlySums | None:
    """What sums gradients during the backward pass, if they are final after it."""
    per_task = run.task_gradients is not None or run.shared_layer is not None
    batches = run.settings.gradient_accumulation_steps
    simple = batches == 1 and not per_task and not run.settings.adversarial_epsilon
    one_pass = len(passes(parts, per_task=False)) == 1 and not parts[0].task.settings.smart_weight
    return run.early_sums if simple and one_pass else None


def _agree(
    run: TrainingRun,
    parts: Sequence[StepBatch],
    outcomes: Sequence[PassResult],
    *,
    updates: bool,
    done: Mapping[str, Tensor] | None = None,
) -> list[tuple[float, bool]]:
    """The loss of each part, and whether any rank found a fault in it."""
    facts: list[float] = []
    for part, (loss, fault) in zip(parts, outcomes, strict=True):
        facts += [part.share * loss if math.isfinite(loss) else 0.0, 0.0 if fault is None else 1.0]
    facts += [float(run.ranks.stop == number) for number in _SIGNALS]
    if updates and run.task_gradients is None and run.optimizer.has_gradients():
        facts = run.optimizer.sum_over(run.ranks, run.rank_gradients.words, facts, done=done)
    else:
        facts = sum_facts(facts, run.ranks)
    *of_parts, interrupts, terminations = facts
    run.ranks.agreed_stop = signal.SIGINT if interrupts else signal.SIGTERM if terminations else 0
    pairs = zip(of_parts[::2], of_parts[1::2], strict=True)
    return [(loss, faults > 0) for loss, faults in pairs]


def _describe(run: TrainingRun, outcomes: Sequence[PassResult]) -> list[str]:
    """What is not finite in each part, on the first rank that found something: each describes its own."""
    own = json.dumps([fault for _, fault in outcomes]).encode()
    by_rank = [json.loads(data) for data in run.ranks.gather(own)]
    texts = []
    for column in zip(*by_rank, strict=True):
        found = [f"{text} (rank {rank})" for rank, text in enumerate(column) if text is not None]
        texts.append(found[0] if found else "")
    return texts
