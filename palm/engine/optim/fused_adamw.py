"""AdamW over all parameters in one call of the C kernels, including clipping."""

import ctypes
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor

from palm.engine.optim.base import AdamFields, OwnSettings, ParameterGroup
from palm.engine.optim.gradients import StepGradients
from palm.engine.optim.lazy_rows import Factors, LazyRows
from palm.kernels.fused.library import load_kernels

BoolArray = NDArray[np.bool_]
Betas = tuple[float, float]

_TABLE_ROWS = 4096


class FusedAdamW:
    """The update rule of `palm.engine.optim.adamw`, in C. A parameter has state from its first update on.

    The formula is that of Paddle's AdamW: with p1 and p2 the powers of beta1 and beta2,

        m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g²
        p = (1 - rate decay) p - rate sqrt(1 - p2) / (1 - p1) m / (sqrt(v) + epsilon sqrt(1 - p2))

    Args:
        config: Decay rates, weight decay and clipping norm.
        group: The parameters, which of them decay, and which have settings of their own.
    """

    def __init__(self, config: AdamFields, group: ParameterGroup) -> None:
        self._config = config
        self._group = group
        self._run = load_kernels()
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}
        self._powers: dict[str, tuple[np.float32, np.float32]] = {}
        # For each table, the rows that ever had a gradient. Words that have not occurred yet cost almost nothing.
        self._touched: dict[str, BoolArray] = {}
        # Tables whose gradients may be rows.
        self._lazy: dict[str, LazyRows] = {}

    def step(self, learning_rate: float, gradients: Mapping[str, Tensor]) -> None:
        """Update the parameters with a gradient."""
        known = gradients if isinstance(gradients, StepGradients) else StepGradients(gradients)
        names = [*known, *known.rows]
        for name in names:
            self._start(name)
        clip = self._clip_factor(known)
        factors = {name: self._factors(name, learning_rate) for name in names}
        for name, gradient in known.rows.items():
            self._lazy[name].update(gradient, factors[name], clip)
        for betas, dense in self._by_betas(known).items():
            self._update_whole(dense, factors, betas=betas, clip=clip)
        for name in names:
            (one, two), (beta1, beta2) = self._powers[name], self._betas(name)
            self._powers[name] = (one * np.float32(beta1), two * np.float32(beta2))

    def _start(self, name: str) -> None:
        """Give a parameter its state at its first update."""
        if name in self._moments:
            return
        parameter, (beta1, beta2) = self._group.parameters[name], self._betas(name)
        self._powers[name] = (np.float32(beta1), np.float32(beta2))
        self._moments[name] = (paddle.zeros_like(parameter), paddle.zeros_like(parameter))
        if is_table(parameter):
            self._start_table(name, np.zeros(parameter.shape[0], dtype=np.bool_))

    def _start_table(self, name: str, touched: BoolArray) -> None:
        self._touched[name] = touched
        table = self._group.tables.get(name)
        if table is not None:
            parameter, moments = self._group.parameters[name], self._moments[name]
            self._lazy[name] = LazyRows(parameter, moments=moments, touched=touched, betas=self._betas(name))
            table.catch_up = self._lazy[name].catch_up

    def _settings(self, name: str) -> AdamFields | OwnSettings:
        return self._group.own.get(name, self._config)

    def _betas(self, name: str) -> Betas:
        settings = self._settings(name)
        return settings.adam_beta1, settings.adam_beta2

    def _by_betas(self, gradients: Mapping[str, Tensor]) -> dict[Betas, dict[str, Tensor]]:
        """The dense gradients of parameters with equal betas, of which a call of the kernel takes one pair."""
        found: dict[Betas, dict[str, Tensor]] = {}
        for name, gradient in gradients.items():
            found.setdefault(self._betas(name), {})[name] = gradient
        return found

    def _update_whole(
        self, gradients: Mapping[str, Tensor], factors: Mapping[str, Factors], *, betas: Betas, clip: float
    ) -> None:
        """Update the parameters with a dense gradient."""
        names = list(gradients)
        for name in names:
            if name in self._lazy:
                self._lazy[name].catch_up()
        parameters = [self._group.parameters[name] for name in names]
        given = [gradients[name].contiguous() for name in names]
        first, second = zip(*(self._moments[name] for name in names), strict=True)
        shapes = [parameter.shape for parameter in parameters]
        sizes = (ctypes.c_int64 * len(names))(*map(prod, shapes))
        widths = (ctypes.c_int64 * len(names))(*(shape[-1] if shape else 1 for shape in shapes))
        touched = (ctypes.c_void_p * len(names))(*(self._touched_rows(name) for name in names))
        pointers = (_pointers(parameters), _pointers(given), _pointers(first), _pointers(second), touched)
        each = [_floats(values) for values in zip(*(factors[name] for name in names), strict=True)]
        self._run("adamw", *pointers, sizes, widths, *each, len(names), *betas, clip)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """The state of every updated parameter."""
        for lazy in self._lazy.values():
            lazy.catch_up()
        return {
            name: {
                "moment1": moments[0],
                "moment2": moments[1],
                "beta1_power": paddle.to_tensor([self._powers[name][0]], dtype="float32"),
                "beta2_power": paddle.to_tensor([self._powers[name][1]], dtype="float32"),
            }
            for name, moments in self._moments.items()
        }

    def restore(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from saved state."""
        for table in self._group.tables.values():
            table.catch_up(None)
            table.forget()
        self._moments = {
            name: (saved["moment1"].contiguous(), saved["moment2"].contiguous()) for name, saved in state.items()
        }
        self._powers = {
            name: (_number(saved["beta1_power"]), _number(saved["beta2_power"])) for name, saved in state.items()
        }
        self._touched, self._lazy = {}, {}
        # An update of a row without moments and without a gradient is its decay alone, so these are enough. The second
        # moment is not: that of a small gradient is 0 in float32 while the first one still moves the row.
        for name, moments in self._moments.items():
            if is_table(moments[0]):
                self._start_table(name, np.any([_rows_with_bits(moment) for moment in moments], axis=0))

    def _touched_rows(self, name: str) -> int | None:
        """Address of the table's flags; None for other parameters."""
        return self._touched[name].ctypes.data if name in self._touched else None

    def _clip_factor(self, gradients: StepGradients) -> float:
        """The factor that limits the global norm of the gradients (arXiv:1211.5063)."""
        limit = self._config.max_grad_norm
        return float(limit / max(gradients.squared_norm**0.5, limit)) if limit else 1.0

    def _factors(self, name: str, learning_rate: float) -> Factors:
        rate = learning_rate * self._group.scales.get(name, 1.0)
        power1, power2 = (float(power) for power in self._powers[name])
        root = (1.0 - power2) ** 0.5
        decay = self._group.weight_decay(name, self._config.weight_decay)
        return 1.0 - rate * decay, rate * root / (1.0 - power1), self._settings(name).adam_epsilon * root


def is_table(parameter: Tensor) -> bool:
    """Whether it is an embedding with so many rows that most batches only use few of them."""
    return parameter.ndim == 2 and parameter.shape[0] >= _TABLE_ROWS


def _rows_with_bits(moment: Tensor) -> BoolArray:
    """Which rows are anything but zeros; the next update makes 0 of -0, so that counts as something, too."""
    found: BoolArray = (moment.numpy().view(np.uint32) != 0).any(axis=1)
    return found


def _number(power: Tensor) -> np.float32:
    number: np.float32 = np.float32(power.numpy().item())
    return number


def _pointers(tensors: Sequence[Tensor]) -> "ctypes.Array[ctypes.c_void_p]":
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _floats(values: Sequence[float]) -> "ctypes.Array[ctypes.c_float]":
    return (ctypes.c_float * len(values))(*values)
