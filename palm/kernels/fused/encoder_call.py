"""All layers of an encoder in one call of C, for prediction: see encoder.c.

It computes packed rows: the tokens that exist, without padding.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor

from palm.kernels.contract import LayerSettings, LayerWeights, PackedRows, Rows
from palm.kernels.fused.layer import ACTIVATIONS, fields, fits
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.fused.packed_layer import LayerArguments
from palm.kernels.fused.packing import Packing
from palm.kernels.products import in_bf16, in_int8

KernelName = Literal["float32", "bf16", "int8"]
KERNELS: tuple[KernelName, ...] = ("float32", "bf16", "int8")
"""In the order of encoder.c."""

_KERNELS_OF_LEVEL: dict[str, tuple[KernelName, ...]] = {
    "amx": ("float32", "bf16", "int8"),
    "avx512bf16": ("float32", "int8"),
    "vnni": ("float32", "int8"),
    "avx512": ("float32",),
    "avx2": ("float32",),
}
_SAMPLES = 256  # of each parameter


@cache
def kernels_here() -> tuple[KernelName, ...]:
    """The kernels that are faster on this processor than layers one by one."""
    try:
        return _KERNELS_OF_LEVEL.get(load_kernels().level, ())
    except KernelsUnavailableError:
        return ()


class EncoderCall:
    """Computes the layers of one encoder. Several threads may call it at once.

    Args:
        settings: Those of every layer.
        layers: The layers' parameters, from the lowest layer; those that layers share appear several times.
    """

    def __init__(self, settings: LayerSettings, layers: Callable[[], Sequence[LayerWeights]]) -> None:
        self._settings = settings
        self._layers = layers
        self._packed: dict[KernelName, _Packed] = {}
        self._sizes: NDArray[np.int64] | None = None  # of the parameters; these never change

    def computes(self, hidden: Tensor, rows: Rows) -> bool:
        """Whether one call computes the layers, which then have no gradient: if not, they are computed one by one."""
        plain = rows.bias is None and self._settings.activation in ACTIVATIONS
        return plain and not paddle.is_grad_enabled() and fits(hidden) and _kernel() in kernels_here()

    def __call__(self, hidden: Tensor, rows: Rows, depth: int) -> Tensor:
        """Output of the lowest `depth` layers, float32[batch*seq hidden], with zeros for padding.

        Args:
            hidden: The first hidden states, float32[batch*seq hidden].
            rows: The batch's sequences.
            depth: Number of layers.
        """
        packing = Packing(rows)
        return packing.unpack(self.of_packed(packing.pack(hidden), packing.rows, depth))

    def of_packed(self, hidden: Tensor, rows: PackedRows, depth: int) -> Tensor:
        """The same for packed rows: [rows hidden]."""
        layers = [fields(weights) for weights in self._layers()]
        hidden, out, kernel = hidden.contiguous(), paddle.empty_like(hidden), _kernel()
        if kernel != "float32":
            packed = self._packed_weights(layers, kernel)
            pointers = packed.pointers
        else:
            addresses = [_pointers(layer) for layer in layers]
            pointers = (ctypes.c_void_p * len(layers))(*(ctypes.addressof(each) for each in addresses))
        arguments = self._arguments(layers[0], len(rows.starts) - 1)
        load_kernels()(
            *("encode", ctypes.byref(arguments), rows.starts.ctypes.data, hidden),
            *(KERNELS.index(kernel), depth, pointers, out),
        )
        return out

    def forget_weights(self) -> None:
        """Drop copies of the weights, which are about to change."""
        self._packed = {}

    def _packed_weights(self, layers: Sequence[tuple[Tensor, ...]], kernel: KernelName) -> "_Packed":
        """The weights in the numbers of a kernel, packed anew if they have changed."""
        state, packed = self._state(layers), self._packed.get(kernel)
        if packed is None or packed.state != state:
            packed = self._packed[kernel] = self._pack(layers, kernel, state)
        return packed

    def _pack(self, layers: Sequence[tuple[Tensor, ...]], kernel: KernelName, state: "_State") -> "_Packed":
        run, arguments, buffers = load_kernels(), self._arguments(layers[0], 0), dict[int, Tensor]()
        size = run.count(f"{kernel}_encoder_bytes", ctypes.byref(arguments))
        for layer in layers:
            key = layer[0].data_ptr()
            if key not in buffers:
                buffers[key] = paddle.empty([size], "uint8")
                run(f"{kernel}_encoder_pack", ctypes.byref(arguments), _pointers(layer), buffers[key])
        of_layers = [buffers[layer[0].data_ptr()] for layer in layers]
        return _Packed(state, of_layers, _pointers(of_layers))

    def _state(self, layers: Sequence[tuple[Tensor, ...]]) -> "_State":
        tensors = [tensor for layer in layers for tensor in layer]
        if self._sizes is None:
            self._sizes = np.array([tensor.size for tensor in tensors], np.int64)
        sample = np.empty([len(tensors), _SAMPLES], np.float32)
        sizes = self._sizes.ctypes.data
        load_kernels()("sample", _pointers(tensors), sizes, len(tensors), _SAMPLES, sample.ctypes.data)
        return _State(tuple((each.data_ptr(), each.inplace_version) for each in tensors), sample.tobytes())

    def _arguments(self, layer: tuple[Tensor, ...], sequences: int) -> LayerArguments:
        width, inner = LayerWeights(*layer).intermediate_weight.shape
        settings = self._settings
        activation = ACTIVATIONS[settings.activation]
        return LayerArguments(sequences, width, inner, settings.heads, activation, 0, settings.epsilon)


@dataclass(frozen=True)
class _State:
    """What tells the present values of tensors from others.

    Operations in place count versions, training steps are announced (`forget_weights`), and `Tensor.set_value` leaves
    no trace but the values: of these a sample is compared.
    """

    versions: tuple[tuple[int, int], ...]
    sample: bytes


@dataclass(frozen=True)
class _Packed:
    """Packed weights: memory for each layer, and its addresses."""

    state: _State
    buffers: list[Tensor]
    pointers: "ctypes.Array[ctypes.c_void_p]"


def _kernel() -> KernelName:
    """The kernel for the precision of this thread."""
    if in_int8():
        return "int8"
    return "bf16" if in_bf16() else "float32"


def _pointers(tensors: Sequence[Tensor]) -> "ctypes.Array[ctypes.c_void_p]":
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
