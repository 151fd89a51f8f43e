"""Packs a padded batch: its tokens one after another, without padding."""

from collections.abc import Callable

import numpy as np
import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from palm.kernels.autograd import Context
from palm.kernels.contract import PackedRows, Rows


class Packing:
    """The tokens of a padded batch.

    Args:
        rows: The batch's sequences, with the mask of its padding; tokens that are masked are left out.

    Attributes:
        rows: The packed sequences.
    """

    def __init__(self, rows: Rows) -> None:
        lengths = np.full(rows.batch, rows.seq)
        self._kept: Tensor | None = None
        if rows.mask is not None:
            kept = rows.mask.numpy().reshape(rows.batch, rows.seq) == 0
            lengths = kept.sum(1)
            self._kept = paddle.to_tensor(np.flatnonzero(kept))
        self._count = rows.batch * rows.seq
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.rows = PackedRows(rows.batch, rows.seq, None, starts)

    def pack(self, values: Tensor) -> Tensor:
        """[batch*seq width] → [rows width]."""
        return values if self._kept is None else _pack(values, self._kept)

    def unpack(self, values: Tensor) -> Tensor:
        """[rows width] → [batch*seq width], with zeros for padding."""
        return values if self._kept is None else _unpack(values, self._kept, self._count)


class _Pack(PyLayer):
    @staticmethod
    def forward(ctx: Context, values: Tensor, kept: Tensor) -> Tensor:
        ctx.kept, ctx.count = kept, values.shape[0]
        return _gathered(values, kept)

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        return _scattered(gradient, ctx.kept, ctx.count)


class _Unpack(PyLayer):
    @staticmethod
    def forward(ctx: Context, values: Tensor, kept: Tensor, count: int) -> Tensor:
        ctx.kept = kept
        return _scattered(values, kept, count)

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        return _gathered(gradient, ctx.kept)


_pack: Callable[[Tensor, Tensor], Tensor] = _Pack.apply
_unpack: Callable[[Tensor, Tensor, int], Tensor] = _Unpack.apply


def _gathered(values: Tensor, rows: Tensor) -> Tensor:
    found: Tensor = paddle.gather(values, rows)
    return found


def _scattered(values: Tensor, rows: Tensor, count: int) -> Tensor:
    placed: Tensor = paddle.scatter(paddle.zeros([count, values.shape[1]], values.dtype), rows, values)
    return placed
