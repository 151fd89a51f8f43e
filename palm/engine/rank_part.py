"""What a rank computes of a batch that all ranks share: its rows, and the fraction of the mean loss that they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from palm.data.dataset import Batch, IntArray
from palm.distributed.ranks import Ranks, parts_of
from palm.kernels.batch_position import BatchPosition

if TYPE_CHECKING:
    from palm.engine.task_instance import TaskInstance


@dataclass(frozen=True)
class RankPart:
    """The part of a rank in a task's batch.

    Attributes:
        batch: Its examples. A rank without any has the first one, with a share of 0: its gradients are zeros then, but
            of the same parameters as those of other ranks.
        row_indices: Indices of these examples among the rows of the step.
        share: Fraction of the whole batch's loss that the mean loss of this part is.
        distance_share: The same for the mean distance of two outputs (R-Drop, SMART).
        penalty_share: The same for what depends on parameters alone; over all ranks the sum is 1.
        own_rows: The first row of the step that belongs to this rank, and the one after its last.
        lengths: Tokens of each sequence of the whole batch: int64[sequences].
        indices: Indices of all examples of the whole batch among the rows of the step.
        sequences: Number of sequences before the part.
        masks: Number of masked tokens before it.
        words: Numbers of all tokens in the whole batch, each once.
    """

    batch: Batch
    row_indices: IntArray
    share: float
    distance_share: float
    penalty_share: float
    own_rows: tuple[int, int]
    lengths: IntArray
    indices: IntArray
    sequences: int
    masks: int
    words: IntArray

    @property
    def position(self) -> BatchPosition:
        """Where the part begins in the whole batch."""
        tokens = int(self.lengths[: self.sequences].sum())
        return BatchPosition(len(self.batch["token_ids"]), self.sequences, tokens, self.masks, len(self.lengths))


@dataclass
class RankGradients:
    """What the ranks need to know of their gradients since the last update.

    Attributes:
        words: Numbers of all tokens in any rank's batches of it, ascending.
    """

    words: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, parts: Sequence[RankPart]) -> None:
        """Add the tokens of the batches of a step."""
        found = [part.words for part in parts]
        self.words = np.unique(np.concatenate([self.words, *found])).astype(np.int64)

    def clear(self) -> None:
        """Begin with the next update."""
        self.words = np.zeros(0, np.int64)


def part_of(task: "TaskInstance", whole: Batch, indices: IntArray, rows: int, ranks: Ranks) -> RankPart:
    """The part of this rank.

    Args:
        task: The task of the batch.
        whole: The batch of all ranks.
        indices: Indices of its examples among the rows of the step, ascending.
        rows: Number of rows of the step, of all tasks that share them.
        ranks: The ranks.
    """
    first, last = parts_of(rows, ranks.count)[ranks.index]
    start, end = (int(bound) for bound in np.searchsorted(indices, (first, last)))
    empty = start == end
    own = (0, 1) if empty else (start, end)
    batch = task.reader.part(whole, len(indices), *own)
    sequences = task.reader.sequences_of(whole, *own)[0]
    paradigm, examples = task.paradigm, len(indices)
    weights = [paradigm.loss_weight(batch, end - start), paradigm.loss_weight(whole, examples)]
    losses = [paradigm.count_losses(batch, end - start), paradigm.count_losses(whole, examples)]
    return RankPart(
        batch,
        indices[own[0] : own[1]],
        0.0 if empty else _divisor(weights[0]) / _divisor(weights[1]),
        0.0 if empty else losses[0] / _divisor(losses[1]),
        (end - start) / examples,
        (first, last),
        whole["input_mask"].sum(axis=1).astype("int64"),
        indices,
        sequences,
        task.reader.masks_before(whole, own[0]),
        np.unique(whole["token_ids"]),
    )


def joint_position(parts: Sequence[RankPart]) -> BatchPosition:
    """Where the rows of this rank begin in one pass of the encoder over the rows of several tasks."""
    if len(parts) == 1:
        return parts[0].position
    lengths: dict[int, int] = {}
    own: set[int] = set()
    for part in parts:
        lengths.update(zip(part.indices.tolist(), part.lengths.tolist(), strict=True))
        own.update(part.row_indices.tolist())
    first, _ = parts[0].own_rows
    # Those of other ranks, which stand for a task of which this one has no rows, come first.
    before = [length for row, length in lengths.items() if row < first and row not in own]
    return BatchPosition(len(own), len(before), sum(before), total=len(lengths))


def _divisor(weight: float) -> float:
    """What a sum of losses is divided by: 1 where none counts, since the sum is 0 then or the rest of smoothing."""
    return weight or 1.0
