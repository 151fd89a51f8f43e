"""A table of embeddings whose gradient is that of the rows that were looked up: all others are 0."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional

from palm.kernels.fused.library import load_kernels

RowNumbers = NDArray[np.int64]
RowValues = NDArray[np.float32]


@final
@dataclass(frozen=True)
class RowGradient:
    """The gradient of a table.

    Sums have the order of a dense gradient, so they are the same numbers to the bit.

    Attributes:
        rows: Numbers of the rows with a gradient, ascending: int64[n].
        values: Their gradients: float32[n width].
        height: Number of rows of the table.
    """

    rows: RowNumbers
    values: RowValues
    height: int

    @property
    def size(self) -> int:
        """Number of elements of the table."""
        return self.height * int(self.values.shape[1])

    def empty(self) -> "RowGradient":
        """A gradient of no row of the same table."""
        return RowGradient(self.rows[:0], self.values[:0], self.height)

    def plus(self, other: "RowGradient") -> "RowGradient":
        """The sum of two gradients of one table."""
        rows = np.union1d(self.rows, other.rows)
        values = np.zeros((len(rows), self.values.shape[1]), np.float32)
        values[np.searchsorted(rows, self.rows)] = self.values
        values[np.searchsorted(rows, other.rows)] += other.values
        return RowGradient(rows, values, self.height)

    def add_to(self, dense: Tensor) -> None:
        """Add it to a dense gradient of the table, in place: float32[rows width]."""
        count, width = self.values.shape
        load_kernels()("add_rows", self.values.ctypes.data, self.rows.ctypes.data, dense, count, width)


@final
class EmbeddingRows:
    """The gradient of a table between its lookups and its update.

    Args:
        table: float32[rows width].

    Attributes:
        gradient: The sum of finished backward passes; None without any.
        catch_up: Makes rows what they are after all updates so far, or all rows for None.
    """

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self.gradient: RowGradient | None = None
        self.catch_up: Callable[[RowNumbers | None], None] = _nothing_missed
        self._lookups: list[RowGradient] = []
        # A lookup needs a gradient, but that of the table itself would be dense.
        self._anchor = paddle.zeros([1])
        self._anchor.stop_gradient = False

    def lookup(self, ids: Tensor) -> Tensor:
        """The rows `ids` of the table, which are caught up first: [..., width]."""
        rows, index = np.unique(ids.numpy().reshape(-1), return_inverse=True)
        rows = rows.astype(np.int64)
        # Paddle refuses numbers of other rows by itself.
        self.catch_up(rows[(rows >= 0) & (rows < self.table.shape[0])])
        if self.table.stop_gradient or not paddle.is_grad_enabled():
            return functional.embedding(ids, self.table)
        found: Tensor = _Lookup.apply(self._anchor, ids, self, rows, index.reshape(-1))  # type: ignore[no-untyped-call]
        return found

    def add_lookup(self, rows: RowNumbers, index: RowNumbers, gradient: Tensor) -> None:
        """Note the gradient of a lookup, [..., width]: `index` says which of `rows` each of its rows is."""
        height, width = self.table.shape
        values = np.zeros((len(rows), width), np.float32)
        given, index = gradient.contiguous(), np.ascontiguousarray(index, np.int64)
        load_kernels()("add_rows", given, index.ctypes.data, values.ctypes.data, len(index), width)
        self._lookups.append(RowGradient(rows, values, height))

    def end_pass(self) -> None:
        """Add the gradients of the lookups of a backward pass to those of earlier ones."""
        if not self._lookups:
            return
        first, *others = self._lookups
        self._lookups = []
        for other in others:
            first = first.plus(other)
        if self.table.grad is not None:
            first.add_to(self.table.grad)
        else:
            self.gradient = first if self.gradient is None else self.gradient.plus(first)

    def forget(self) -> None:
        """Take the rows as they are now: no update is missing."""
        self.catch_up = _nothing_missed

    def drop_gradient(self) -> None:
        """Remove the gradient."""
        self.gradient, self._lookups = None, []

    def dense_gradient(self) -> Tensor | None:
        """The gradient with all rows: float32[rows width]; None without any."""
        if self.gradient is None:
            return None
        dense = paddle.zeros_like(self.table)
        self.gradient.add_to(dense)
        return dense


def _nothing_missed(rows: RowNumbers | None) -> None:
    del rows


class _Lookup(PyLayer):
    """Rows of a table, which keeps their gradient itself."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - Paddle's context
        anchor: Tensor,
        ids: Tensor,
        table: EmbeddingRows,
        rows: RowNumbers,
        index: RowNumbers,
    ) -> Tensor:
        ctx.kept = table, rows, index
        return functional.embedding(ids, table.table)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ANN401
        table, rows, index = ctx.kept
        table.add_lookup(rows, index, gradients[0])
        return None  # nothing for the anchor
