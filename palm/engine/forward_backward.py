"""Forward and backward passes of a task's batch, or of several tasks' batches on the same rows."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
import paddle
from paddle import Tensor

from palm.data.dataset import Batch, IntArray
from palm.data.sequences import INPUTS
from palm.engine.batches import StepBatch
from palm.engine.loss_scale import LossScale
from palm.engine.model import MultiTaskModel
from palm.engine.optim.freezing import encoder_kept, unfreeze
from palm.engine.optim.gradients import StepGradients
from palm.engine.rank_part import joint_position
from palm.engine.regularizers.fgm import perturbed, word_embeddings
from palm.engine.shared_state import seeded
from palm.kernels.batch_position import BatchPosition, at_position
from palm.kernels.precision import mixed_precision
from palm.randomness import philox
from palm.schema.prompt_training import keeps_encoder, without_encoder_dropout
from palm.spec import Specs

if TYPE_CHECKING:
    from palm.engine.run import TrainingRun


def passes(parts: Sequence[StepBatch], *, per_task: bool) -> list[list[StepBatch]]:
    """`parts` in groups that share a pass of the encoder, in their order.

    A task with SMART needs several passes of its batches anyway, so it has its own. Tasks that change the encoder have
    other passes than those that keep it, and those with its dropout others than those without.

    Args:
        parts: The batches of a step.
        per_task: Whether the gradients of each task are needed separately. A graph with PyLayers runs backward once (a
            second time with `retain_graph` crashes Paddle 3.3.1), so every task then has its own pass.
    """
    if per_task:
        return [[part] for part in parts]
    groups: dict[tuple[str, int, bool, bool], list[StepBatch]] = {}
    for part in parts:
        # The groups are the same on all ranks, since some passes contain a sum over them.
        owner = part.task.name if part.task.settings.smart_weight else part.task.row_owner.name
        keys = part.task.paradigm.config
        mode = keeps_encoder(keys), without_encoder_dropout(keys)
        groups.setdefault((owner, part.task_step, *mode), []).append(part)
    return list(groups.values())


def shared_losses(model: MultiTaskModel, parts: Sequence[StepBatch]) -> list[Tensor]:
    """Mean loss of each task's batch, before `loss_weight`, for `parts` that share rows: float32[] each."""
    whole, row_indices = joined([(part.batch, _row_indices(part)) for part in parts])
    encodings = model.encode_for([part.task for part in parts], whole)
    losses = []
    for part, indices, encoded in zip(parts, row_indices, encodings, strict=True):
        own = _own_rows(encoded, model.backbone_outputs, indices, part.batch["token_ids"].shape[1])
        with at_position(part.rank_part.position if part.rank_part else None):  # among the rows of this task
            losses.append(model.loss(part.task, part.batch, own, factors=part.factors))
    return losses


def joined(batches: Sequence[tuple[Batch, IntArray]]) -> tuple[Batch, list["IntArray | None"]]:
    """The batch of all rows of some batches.

    Args:
        batches: Each with the indices of its rows among all rows.

    Returns:
        The encoder's inputs of all rows in any batch, and the indices of each batch's rows in it; None for all.
    """
    rows = np.unique(np.concatenate([row_indices for _, row_indices in batches]))
    width = max(batch["token_ids"].shape[1] for batch, _ in batches)
    for batch, row_indices in batches:
        if len(row_indices) == len(rows) and batch["token_ids"].shape[1] == width:
            whole = batch
            break
    else:
        whole = _merge_batches(batches, rows, width)
    found = [np.searchsorted(rows, row_indices) for _, row_indices in batches]
    return whole, [None if len(row_indices) == len(rows) else row_indices for row_indices in found]


def _row_indices(part: StepBatch) -> IntArray:
    return part.task.examples_at(part.task_step)[1] if part.row_indices is None else part.row_indices


def _merge_batches(batches: Sequence[tuple[Batch, IntArray]], rows: IntArray, width: int) -> Batch:
    whole: Batch = {}
    for batch, row_indices in batches:
        for name in INPUTS:
            given = batch[name]
            # Padding is masked, so its values do not matter.
            table = whole.setdefault(name, np.zeros((len(rows), width), given.dtype))
            table[np.searchsorted(rows, row_indices), : given.shape[1]] = given
    return whole


def _own_rows(
    encoded: dict[str, Tensor], outputs: Specs, row_indices: "IntArray | None", width: int
) -> dict[str, Tensor]:
    """The backbone's outputs for the rows `row_indices`, without padding beyond that of the task's own batch."""
    own = {}
    for name, spec in outputs.items():
        if name not in encoded:
            continue  # the table of word embeddings, which no head of this run reads
        tensor, axes = encoded[name], spec.axes.split()
        if row_indices is not None and axes[0] == "batch":
            tensor = paddle.gather(tensor, paddle.to_tensor(row_indices), axis=0)
        if axes[:2] == ["batch", "seq"] and tensor.shape[1] != width:
            tensor = tensor[:, :width]
        own[name] = tensor
    return own


OVERFLOW = "overflow"
"""In place of what is not finite: gradients of float16 that overflowed, which costs the batch but is no fault."""

PassResult = tuple[float, str | None]
"""The loss of a task's batch, and a description of what is not finite."""


def train_pass(run: "TrainingRun", parts: Sequence[StepBatch], factors: Sequence[float]) -> list[PassResult]:
    """Forward and backward of `parts`; returns the loss of each, and a description of what is not finite.

    Gradients are accumulated on the parameters, or per task; those with a fault are discarded. With several ranks
    each has gradients of the same parameters, with a fault or without, until `palm.engine.rank_step` decides for all.
    """
    first = parts[0]
    # Dropout only depends on the step, not on earlier steps, so that resume is exact.
    own = [first.task.name] if run.settings.mode == "joint" else []
    seed = int(philox(run.settings.random_seed, "dropout", first.global_step, *own).integers(2**31))
    keys = first.task.paradigm.config
    kept = encoder_kept(run.model, kept=keeps_encoder(keys))
    with seeded(seed), at_position(_position(parts)), kept:
        run.model.use_training_mode(encoder_dropout=not without_encoder_dropout(keys))
        unfreeze(run.model, run.settings, first.global_step)
        # Only forward: the backward pass of an operation uses the precision of its forward pass.
        with mixed_precision(run.progress.amp):
            losses = _losses(run, parts)
        late = reads_late(losses)
        outcomes: list[PassResult] = [(0.0, None)] if late else [_outcome(loss) for loss in losses]
        weights = [_weight(run, part) * factor for part, factor in zip(parts, factors, strict=True)]
        # A task whose loss is not finite is excluded from the backward pass; the others are not.
        # With several ranks it is not, so that each rank has gradients of the same parameters.
        whole = [number for number, (_, own_fault) in enumerate(outcomes) if not own_fault or run.ranks.count > 1]
        if whole:
            weighted = [(parts[number], weights[number]) for number in whole]
            # Gradients accumulate over the batches of an update; the norm is that of this batch's contribution.
            if run.shared_layer is not None:
                run.shared_layer.begin()
            fault = _backward(run, weighted, reduce(add, [losses[number] * weights[number] for number in whole]))
            if run.shared_layer is not None and (not fault or run.ranks.count > 1):
                run.shared_layer.end(first.task.name, factors[0] / run.settings.gradient_accumulation_steps)
            outcomes = [_outcome(losses[0])] if late else outcomes
            # With several ranks the gradients are also those of a loss that is not finite, which is why they are not.
            unknown = run.ranks.count > 1 and any(own_fault for _, own_fault in outcomes)
            for number in whole if fault and not unknown else ():
                outcomes[number] = _with_fault(outcomes[number], str(fault))
        return outcomes


def reads_late(losses: Sequence[Tensor]) -> bool:
    """Whether the loss is read after the backward pass: on a GPU, which a program that reads a number waits for.

    Of several losses each decides first whether its task takes part in the backward pass.
    """
    return len(losses) == 1 and bool(losses[0].place.is_gpu_place())


def _outcome(loss: Tensor) -> PassResult:
    value = float(loss)
    return value, None if math.isfinite(value) else f"the loss is {value}"


def _with_fault(outcome: PassResult, fault: str) -> PassResult:
    """The outcome of a batch whose gradients are not finite; if its loss is not either, that says why."""
    loss, own = outcome
    if own is not None:
        return outcome
    return loss, fault if fault == OVERFLOW else f"{fault} (loss {loss:.4g})"


def without_overflows(
    run: "TrainingRun", outcomes: Iterable[tuple[str, PassResult]]
) -> Iterator[tuple[str, PassResult]]:
    """The outcome of each task's batch, in which an overflow is no fault; then the factor of the loss counts them."""
    overflown = batches = 0
    for name, (loss, fault) in outcomes:
        overflown, batches = overflown + (fault == OVERFLOW), batches + (fault is None)
        yield name, (loss, None if fault == OVERFLOW else fault)
    scale = _loss_scale(run)
    if scale is not None:
        scale.after_step(batches=batches, overflown=overflown)


def _position(parts: Sequence[StepBatch]) -> BatchPosition | None:
    """Where the rows of this rank begin in the pass; None for a batch that it has alone."""
    own = [part.rank_part for part in parts if part.rank_part is not None]
    return joint_position(own) if own else None


def _losses(run: "TrainingRun", parts: Sequence[StepBatch]) -> list[Tensor]:
    """Mean loss of each task's batch with its regularisers, before `loss_weight`: float32[] each."""
    if len(parts) == 1:
        part = parts[0]
        return [run.model.loss(part.task, part.batch, factors=part.factors)]
    return shared_losses(run.model, parts)


def _weight(run: "TrainingRun", part: StepBatch) -> float:
    """Factor of the loss besides the weighting's; per-task gradients are averaged later."""
    batches = run.settings.gradient_accumulation_steps if run.task_gradients is None else 1
    return part.task.settings.loss_weight / batches * part.share


def _backward(run: "TrainingRun", parts: Sequence[tuple[StepBatch, float]], total: Tensor) -> str | None:
    """Backward of the weighted losses of `parts`, whose sum is `total`; returns what is not finite."""
    pending = _pending_gradients(run)  # before backward adds to them
    scale = _loss_scale(run)
    if scale is not None:
        run.optimizer.drop_gradients()  # of this batch alone they are scaled
        parts, total = [(part, weight * scale.value) for part, weight in parts], total * scale.value
    if run.settings.adversarial_epsilon:
        _attack(run, parts, total)
    else:
        total.backward()
    name = run.optimizer.first_non_finite()
    if name is None and reads_late([total]) and not math.isfinite(float(total)):
        name = "loss"  # whose gradients happen to be finite
    if run.ranks.count == 1 and name is not None:
        # Gradients of earlier batches of this update are kept, without this batch's contribution.
        run.optimizer.set_gradients(pending)
        return _description(name, scale)
    if scale is not None:
        run.optimizer.set_gradients(scale.added(_finite(run.optimizer.gradients(), name), pending))
    elif name is not None and run.task_gradients is None:
        # Each rank has gradients of the same parameters until all know of the fault; those of other passes are finite.
        run.optimizer.take_back(pending)
    if run.task_gradients is not None:
        # Every task has its own pass then, so these gradients are only this task's; the next one starts without.
        run.task_gradients.add(parts[0][0].task.name, run.optimizer.gradients())
        run.optimizer.drop_gradients()
    return None if name is None else _description(name, scale)


def _finite(gradients: dict[str, Tensor], fault: str | None) -> dict[str, Tensor]:
    """The gradients of a batch; zeros, if one of them is not finite."""
    return gradients if fault is None else {name: paddle.zeros_like(each) for name, each in gradients.items()}


def _description(name: str, scale: LossScale | None) -> str:
    """What is not finite: the gradient `name`, or the scaled one."""
    return OVERFLOW if scale is not None and scale.may_overflow else f"the gradient of `{name}` is not finite"


def _loss_scale(run: "TrainingRun") -> LossScale | None:
    """The factor of the loss, in float16 alone."""
    return run.progress.loss_scale if run.progress.amp == "fp16" else None


def _attack(run: "TrainingRun", parts: Sequence[tuple[StepBatch, float]], total: Tensor) -> None:
    """Backward of the weighted losses, and again with adversarially perturbed embeddings."""
    table = word_embeddings(run.model)
    # The direction is the gradient of only this batch, so those of earlier batches are saved before backward.
    before = None if table.grad is None else table.grad.clone()
    total.backward()
    with perturbed(table, before, run.settings.adversarial_epsilon, run.ranks) as moved:
        if moved:
            with mixed_precision(run.progress.amp):
                again = _losses(run, [part for part, _ in parts])
            reduce(add, [loss * weight for loss, (_, weight) in zip(again, parts, strict=True)]).backward()


def _pending_gradients(run: "TrainingRun") -> StepGradients:
    """A copy of the gradients of earlier batches of the update, if a batch with a fault must not corrupt them."""
    if _loss_scale(run) is not None:
        return StepGradients({name: gradient.clone() for name, gradient in run.optimizer.gradients().items()})
    if run.settings.on_nan == "abort":
        return StepGradients({})
    return run.optimizer.copied_gradients()
