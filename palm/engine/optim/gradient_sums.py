"""Sums of gradients over the ranks of a run: one message for all of them."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import paddle
from paddle import Tensor

from palm.distributed.ranks import Ranks
from palm.engine.no_grad import without_gradients
from palm.engine.optim.gradients import StepGradients
from palm.kernels.fused.row_table import RowGradient, RowNumbers


@without_gradients
def summed(tensors: Sequence[Tensor], ranks: Ranks) -> list[Tensor]:
    """The sum of each tensor over all ranks, float32; every rank has as many of the same shapes."""
    if ranks.count == 1 or not tensors:
        return list(tensors)
    flat = paddle.concat([tensor.flatten() for tensor in tensors])
    ranks.sum_in_place(flat)
    pieces = flat.split([prod(tensor.shape) for tensor in tensors])
    return [piece.reshape(tensor.shape) for piece, tensor in zip(pieces, tensors, strict=True)]


def sum_gradients(
    gradients: StepGradients, words: Mapping[str, RowNumbers], facts: Sequence[float], ranks: Ranks
) -> tuple[StepGradients, list[float]]:
    """The gradients of an update summed over all ranks, and a few numbers with them in the same message.

    Args:
        gradients: Those of this rank.
        words: For a table with a gradient of rows, all rows that any rank can have a gradient of, ascending.
        facts: The numbers.
        ranks: The ranks, which all have gradients of the same parameters.
    """
    tables = {name: _of_rows(gradient, words[name]) for name, gradient in gradients.rows.items()}
    found = summed(
        [*gradients.values(), *(paddle.to_tensor(table.values) for table in tables.values()), _as_tensor(facts)], ranks
    )
    whole = dict(zip(gradients, found, strict=False))
    rows = {
        name: RowGradient(table.rows, values.numpy(), table.height)
        for (name, table), values in zip(tables.items(), found[len(whole) :], strict=False)
    }
    return gradients.replaced(whole, rows), _as_numbers(found[-1], ranks)


def sum_facts(facts: Sequence[float], ranks: Ranks) -> list[float]:
    """A few numbers summed over all ranks."""
    [found] = summed([_as_tensor(facts)], ranks)
    return _as_numbers(found, ranks)


def _as_numbers(facts: Tensor, ranks: Ranks) -> list[float]:
    with ranks.reading_sums():
        return [float(number) for number in facts.numpy()]


def _as_tensor(facts: Sequence[float]) -> Tensor:
    return paddle.to_tensor(list(facts), dtype="float32")


def _of_rows(gradient: RowGradient, rows: RowNumbers) -> RowGradient:
    """The same gradient with all of `rows`, of which it has some."""
    values = np.zeros((len(rows), gradient.values.shape[1]), np.float32)
    values[np.searchsorted(rows, gradient.rows)] = gradient.values
    return RowGradient(rows, values, gradient.height)
