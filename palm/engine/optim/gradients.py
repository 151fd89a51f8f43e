"""The gradients of an update, and their norm by one pass over all of them."""

import ctypes
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from math import prod

from paddle import Tensor

from palm.kernels.fused.library import load_kernels
from palm.kernels.fused.row_table import RowGradient


class StepGradients(dict[str, Tensor]):
    """Gradients by parameter name.

    Args:
        whole: Dense ones.
        rows: Those of tables of which only some rows have a gradient.
        order: All names, in the order of their norm's sum.
    """

    def __init__(
        self,
        whole: Mapping[str, Tensor],
        rows: Mapping[str, RowGradient] | None = None,
        *,
        order: Iterable[str] | None = None,
    ) -> None:
        super().__init__(whole)
        self.rows = dict(rows or {})
        self._order = [*whole, *self.rows] if order is None else list(order)

    def replaced(self, whole: Mapping[str, Tensor], rows: Mapping[str, RowGradient]) -> "StepGradients":
        """Other gradients of the same parameters."""
        return StepGradients(whole, rows, order=self._order)

    def without(self, names: Collection[str]) -> "StepGradients":
        """The same, but for the dense gradients `names`."""
        whole = {name: gradient for name, gradient in self.items() if name not in names}
        return StepGradients(
            whole, self.rows, order=[name for name in self._order if name in whole or name in self.rows]
        )

    def with_whole(self, whole: Mapping[str, Tensor]) -> "StepGradients":
        """The same with further dense gradients."""
        return StepGradients({**self, **whole}, self.rows)

    @cached_property
    def squared_norm(self) -> float:
        """The sum of all squares: not finite where a gradient is not, nor where the sum overflows.

        By the C kernels, for float32. A table's rows have the same bits as its dense gradient.
        """
        parts = [self.rows.get(name) or self[name].contiguous() for name in self._order]
        count, total = len(parts), ctypes.c_double()
        load_kernels()(
            "squared_sum",
            (ctypes.c_void_p * count)(*map(_values, parts)),
            (ctypes.c_void_p * count)(
                *(part.rows.ctypes.data if isinstance(part, RowGradient) else None for part in parts)
            ),
            (ctypes.c_int64 * count)(*(len(part.rows) if isinstance(part, RowGradient) else 0 for part in parts)),
            (ctypes.c_int64 * count)(*(part.values.shape[1] if isinstance(part, RowGradient) else 1 for part in parts)),
            (ctypes.c_int64 * count)(
                *(part.size if isinstance(part, RowGradient) else prod(part.shape) for part in parts)
            ),
            count,
            ctypes.byref(total),
        )
        return total.value


def _values(part: Tensor | RowGradient) -> int:
    address: int = part.values.ctypes.data if isinstance(part, RowGradient) else part.data_ptr()
    return address
