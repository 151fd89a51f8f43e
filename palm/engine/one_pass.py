"""One pass of the encoder for the tasks of a joint step that read the same rows."""

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import Tensor

from palm.data.dataset import Batch, IntArray
from palm.engine.feed import Draw
from palm.engine.model import MultiTaskModel
from palm.spec import Specs


def passes(parts: Sequence[Draw], *, apart: bool) -> list[list[Draw]]:
    """`parts` in groups that one pass of the encoder serves, in their order.

    A task with SMART runs its own batches through the encoder several times anyhow, so it has its own pass.

    Args:
        parts: What a step trains on.
        apart: Whether the gradients of each task are wanted by themselves. A graph with PyLayers runs backward once (a
            second time with `retain_graph` crashes Paddle 3.3.1), so every task then has its own pass.
    """
    if apart:
        return [[part] for part in parts]
    groups: dict[tuple[str, int], list[Draw]] = {}
    for part in parts:
        owner = part.task.name if part.task.settings.smart_weight else part.task.row_owner.name
        groups.setdefault((owner, part.task_step), []).append(part)
    return list(groups.values())


def shared_losses(model: MultiTaskModel, parts: Sequence[Draw]) -> list[Tensor]:
    """Mean loss of each task's batch, before `loss_weight`, of `parts` that share their rows: float32[] each."""
    whole, places = joined([(part.batch, _places(part)) for part in parts])
    encoded: dict[tuple[int, str | None], dict[str, Tensor]] = {}
    losses = []
    for part, place in zip(parts, places, strict=True):
        head, layer = part.task.head, part.task.settings.layer
        seen = layer, head if model.own_parts(head) else None
        if seen not in encoded:
            encoded[seen] = model.encode(whole, layer=layer, head=head)
        width = part.batch["token_ids"].shape[1]
        own = _own_rows(encoded[seen], model.backbone_outputs, place, width)
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
    rows = np.unique(np.concatenate([places for _, places in batches]))
    width = max(batch["token_ids"].shape[1] for batch, _ in batches)
    for batch, places in batches:
        if len(places) == len(rows) and batch["token_ids"].shape[1] == width:
            whole = batch
            break
    else:
        whole = _laid_together(batches, rows, width)
    found = [np.searchsorted(rows, places) for _, places in batches]
    return whole, [None if len(places) == len(rows) else places for places in found]


def _places(part: Draw) -> IntArray:
    return part.task.examples_at(part.task_step)[1] if part.places is None else part.places


def _laid_together(batches: Sequence[tuple[Batch, IntArray]], rows: IntArray, width: int) -> Batch:
    whole: Batch = {}
    for batch, places in batches:
        for name in ("token_ids", "position_ids", "segment_ids", "task_ids", "input_mask"):
            given = batch[name]
            # Padding is masked: what stands there makes no difference.
            table = whole.setdefault(name, np.zeros((len(rows), width), given.dtype))
            table[np.searchsorted(rows, places), : given.shape[1]] = given
    return whole


def _own_rows(encoded: dict[str, Tensor], outputs: Specs, places: "IntArray | None", width: int) -> dict[str, Tensor]:
    """What the backbone made of the rows at `places`, without the padding that the task's own batch does not have."""
    own = {}
    for name, spec in outputs.items():
        tensor, axes = encoded[name], spec.axes.split()
        if places is not None and axes[0] == "batch":
            tensor = paddle.gather(tensor, paddle.to_tensor(places), axis=0)
        if axes[:2] == ["batch", "seq"] and tensor.shape[1] != width:
            tensor = tensor[:, :width]
        own[name] = tensor
    return own
