"""Forward and backward of what one pass of the encoder serves: a task's batch, or those of several on the same rows."""

import math
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
import paddle
from paddle import Tensor

from palm.data.dataset import Batch, IntArray
from palm.data.sequences import INPUTS
from palm.engine.batches import StepBatch
from palm.engine.model import MultiTaskModel
from palm.engine.optim.freezing import unfreeze
from palm.engine.regularizers.fgm import perturbed, word_embeddings
from palm.kernels.precision import mixed_precision
from palm.randomness import philox
from palm.spec import Specs
from palm.storage.tensors import first_non_finite

if TYPE_CHECKING:
    from palm.engine.run import TrainingRun


def passes(parts: Sequence[StepBatch], *, per_task: bool) -> list[list[StepBatch]]:
    """`parts` in groups that one pass of the encoder serves, in their order.

    A task with SMART runs its own batches through the encoder several times anyhow, so it has its own pass.

    Args:
        parts: What a step trains on.
        per_task: Whether the gradients of each task are needed separately. A graph with PyLayers runs backward once (a
            second time with `retain_graph` crashes Paddle 3.3.1), so every task then has its own pass.
    """
    if per_task:
        return [[part] for part in parts]
    groups: dict[tuple[str, int], list[StepBatch]] = {}
    for part in parts:
        owner = part.task.name if part.task.settings.smart_weight else part.task.row_owner.name
        groups.setdefault((owner, part.task_step), []).append(part)
    return list(groups.values())


def shared_losses(model: MultiTaskModel, parts: Sequence[StepBatch]) -> list[Tensor]:
    """Mean loss of each task's batch, before `loss_weight`, of `parts` that share their rows: float32[] each."""
    whole, row_indices = joined([(part.batch, _row_indices(part)) for part in parts])
    encodings = model.encode_for([part.task for part in parts], whole)
    losses = []
    for part, indices, encoded in zip(parts, row_indices, encodings, strict=True):
        own = _own_rows(encoded, model.backbone_outputs, indices, part.batch["token_ids"].shape[1])
        losses.append(model.loss(part.task, part.batch, own))
    return losses


def joined(batches: Sequence[tuple[Batch, IntArray]]) -> tuple[Batch, list["IntArray | None"]]:
    """The batch of all rows of some batches.

    Args:
        batches: Each with the place of its rows among all rows.

    Returns:
        What the encoder takes of every row that a batch has, and of each batch the place of its rows among those;
        None where it has all of them.
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
            # Padding is masked: what stands there makes no difference.
            table = whole.setdefault(name, np.zeros((len(rows), width), given.dtype))
            table[np.searchsorted(rows, row_indices), : given.shape[1]] = given
    return whole


def _own_rows(
    encoded: dict[str, Tensor], outputs: Specs, row_indices: "IntArray | None", width: int
) -> dict[str, Tensor]:
    """What the backbone made of the rows `row_indices`, without padding that the task's own batch does not have."""
    own = {}
    for name, spec in outputs.items():
        tensor, axes = encoded[name], spec.axes.split()
        if row_indices is not None and axes[0] == "batch":
            tensor = paddle.gather(tensor, paddle.to_tensor(row_indices), axis=0)
        if axes[:2] == ["batch", "seq"] and tensor.shape[1] != width:
            tensor = tensor[:, :width]
        own[name] = tensor
    return own


PassResult = tuple[float, str | None]
"""The loss of a task's batch, and what in it is not finite."""


def train_pass(run: "TrainingRun", parts: Sequence[StepBatch], factors: Sequence[float]) -> list[PassResult]:
    """Forward and backward of `parts`: the loss of each, and what in it is not finite.

    The gradients stay on the parameters, or with the gradients of their task; those with a fault do not.
    """
    first = parts[0]
    # Dropout depends on the step alone, not on what ran before it: that makes resume exact.
    own = [first.task.name] if run.settings.mode == "joint" else []
    paddle.seed(int(philox(run.settings.random_seed, "dropout", first.global_step, *own).integers(2**31)))
    run.model.train()
    unfreeze(run.model, run.settings, first.global_step)
    # Forward alone: the backward pass of an operation follows the precision that it ran forward in.
    with mixed_precision(run.settings.amp):
        losses = _losses(run, parts)
    values = [float(loss) for loss in losses]
    outcomes: list[PassResult] = [(value, None if math.isfinite(value) else f"the loss is {value}") for value in values]
    weights = [_weight(run, part) * factor for part, factor in zip(parts, factors, strict=True)]
    # A task whose loss is not finite takes no part in the backward; the others of the pass do.
    whole = [number for number, value in enumerate(values) if math.isfinite(value)]
    if whole:
        weighted = [(parts[number], weights[number]) for number in whole]
        # Gradients add up over the batches of an update; the norm is of what this backward adds to them.
        if run.shared_layer is not None:
            run.shared_layer.begin()
        fault = _backward(run, weighted, reduce(add, [losses[number] * weights[number] for number in whole]))
        if run.shared_layer is not None and not fault:
            run.shared_layer.end(first.task.name, factors[0] / run.settings.gradient_accumulation_steps)
        for number in whole if fault else ():
            outcomes[number] = values[number], f"{fault} (loss {values[number]:.4g})"
    return outcomes


def _losses(run: "TrainingRun", parts: Sequence[StepBatch]) -> list[Tensor]:
    """Mean loss of each task's batch with its regularisers, before `loss_weight`: float32[] each."""
    if len(parts) == 1:
        return [run.model.loss(parts[0].task, parts[0].batch)]
    return shared_losses(run.model, parts)


def _weight(run: "TrainingRun", part: StepBatch) -> float:
    """Factor of the loss beside the weighting's; gradients of tasks that are kept apart become means later."""
    batches = run.settings.gradient_accumulation_steps if run.task_gradients is None else 1
    return part.task.settings.loss_weight / batches


def _backward(run: "TrainingRun", parts: Sequence[tuple[StepBatch, float]], total: Tensor) -> str | None:
    """Backward of the weighted losses of `parts`, whose sum is `total`; what is not finite about it."""
    pending = _pending_gradients(run)  # before backward adds to them
    if run.settings.adversarial_epsilon:
        _attack(run, parts, total)
    else:
        total.backward()
    name = first_non_finite(run.optimizer.gradients())
    if name is not None:
        # What earlier batches of this update left stays, without what this one added to it.
        run.optimizer.set_gradients(pending)
        return f"the gradient of `{name}` is not finite"
    if run.task_gradients is not None:
        # Every task has its own pass then, so what is there is this task's alone; the next one starts from none.
        run.task_gradients.add(parts[0][0].task.name, run.optimizer.gradients())
        run.optimizer.drop_gradients()
    return None


def _attack(run: "TrainingRun", parts: Sequence[tuple[StepBatch, float]], total: Tensor) -> None:
    """Backward of the weighted losses, and of the same losses once more with the embeddings moved against them."""
    table = word_embeddings(run.model)
    # The direction is this batch's gradient alone, so what earlier batches left is set apart before backward.
    before = None if table.grad is None else table.grad.clone()
    total.backward()
    with perturbed(table, before, run.settings.adversarial_epsilon) as moved:
        if moved:
            with mixed_precision(run.settings.amp):
                again = _losses(run, [part for part, _ in parts])
            reduce(add, [loss * weight for loss, (_, weight) in zip(again, parts, strict=True)]).backward()


def _pending_gradients(run: "TrainingRun") -> dict[str, Tensor]:
    """A copy of what earlier batches of the same update left, where a batch with a fault must not spoil it."""
    if run.settings.on_nan == "abort":
        return {}
    return {name: gradient.clone() for name, gradient in run.optimizer.gradients().items()}
