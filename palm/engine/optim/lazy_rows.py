"""Adam for a table of embeddings: a row gets the updates without a gradient when it is next read, all at once."""

from typing import final

import numpy as np
from numpy.typing import NDArray
from paddle import Tensor

from palm.kernels.fused.library import load_kernels
from palm.kernels.fused.row_table import RowGradient, RowNumbers

_FIRST_ROOM = 64

Factors = tuple[float, float, float]
"""`keep`, `step` and `epsilon` of an update: see the kernel `adamw`."""


@final
class LazyRows:
    """The updates of a table, of which each row has had some.

    A row without a gradient moves, too: by its moments, which fade, and by weight decay. It gets these updates with the
    factors that each of them had, so it ends at the same bits as if they had been made at their time.

    Args:
        table: float32[rows width].
        moments: Both of Adam's, of the same shape; changed in place.
        touched: Which rows ever had a gradient; changed in place.
        betas: Adam's.
    """

    def __init__(
        self,
        table: Tensor,
        *,
        moments: tuple[Tensor, Tensor],
        touched: NDArray[np.bool_],
        betas: tuple[float, float],
    ) -> None:
        self._tensors = (table, *moments)
        self._touched = touched
        self._betas = betas
        self._done = np.zeros(table.shape[0], np.int64)
        self._factors = np.zeros((3, _FIRST_ROOM), np.float32)
        self._updates = 0

    def update(self, gradient: RowGradient, factors: Factors, clip: float) -> None:
        """An update with the gradient of some rows, times `clip`; the others get it later."""
        if self._updates == self._factors.shape[1]:
            self._factors = np.concatenate([self._factors, np.zeros_like(self._factors)], axis=1)
        self._factors[:, self._updates] = factors
        self._run(gradient.rows, gradient.values.ctypes.data, clip)
        self._updates += 1

    def catch_up(self, rows: RowNumbers | None = None) -> None:
        """Give `rows`, ascending, the updates that they have missed; None for all."""
        if self._updates:
            self._run(rows, None, 1.0)
        if rows is None:
            self._updates = 0
            self._done[:] = 0

    def _run(self, rows: RowNumbers | None, values: int | None, clip: float) -> None:
        given = None if rows is None else rows.ctypes.data
        count, width = len(self._done) if rows is None else len(rows), self._tensors[0].shape[1]
        factors = [part.ctypes.data for part in self._factors]
        state = (*self._tensors, self._touched.ctypes.data, self._done.ctypes.data)
        load_kernels()("adamw_rows", *state, given, values, count, width, *factors, self._updates, *self._betas, clip)
