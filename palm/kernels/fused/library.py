"""Loads the C kernels that were built at installation, for the best instruction set that this processor supports.

`kernels.c` documents each function. A function with a status returns 0, or 1 when out of memory.
"""

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

import paddle
from paddle import Tensor

from palm.kernels.fused.built import best_level, find_library, processor_flags

_POINTER, _COUNT, _FLOAT, _SEED, _FLAG = (
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_float,
    ctypes.c_uint32,
    ctypes.c_int,
)

# Arguments in C's order: P pointer, N count, F float, S seed, I int.
_SIGNATURES = {
    "split_heads": "PPPNNNNF",
    "split_heads_gradient": "PPPPPNNNNF",
    "move_heads": "PPNNNNI",
    "shares": "PPPNNNFSN",
    "dropped_shares": "PPNF",
    "shares_gradient": "PPNNF",
    "activate": "PPPNNI",
    "activate_gradient": "PPPNNI",
    "add_norm": "PPPPPPPPNNFFSN",
    "add_norm_gradient": "PPPPPPPPPPNNFSN",
    "dropout": "PPNNFSN",
    "to_bf16": "PPN",
    "squared_sum": "PPPPPNP",
    "adamw": "PPPPPPPPPPNFFF",
    "adamw_rows": "PPPPPPPNNPPPNFFF",
    "add_rows": "PPPNN",
    "bf16_begin": "",
    "bf16_layer_saved": "PP",
    "bf16_layer_weights": "P",
    "bf16_layer": "PPPPPP",
    "bf16_layer_gradient": "PPPPPPP",
    "float32_begin": "PP",
    "float32_layer_saved": "PP",
    "float32_layer": "PPPPPP",
    "float32_layer_gradient": "PPPPPPPP",
    "rotary_attention": "PPPP",
    "rotary_attention_gradient": "PPPPPP",
    "decoder_attention": "PPPPP",
    "decoder_attention_gradient": "PPPPPPPP",
    "gated": "PPNN",
    "gated_gradient": "PPPNN",
    "encode": "PPPNNPP",
    "bf16_encoder_bytes": "P",
    "bf16_encoder_pack": "PPP",
    "sample": "PPNNP",
    "int8_encoder_bytes": "P",
    "int8_encoder_pack": "PPP",
    "int8_product_bytes": "NN",
    "int8_product": "NNNPPPP",
}
_RETURN_STATUS = {
    *("split_heads_gradient", "activate_gradient", "add_norm_gradient", "squared_sum", "adamw_rows"),
    *("bf16_layer", "bf16_layer_gradient", "float32_layer", "float32_layer_gradient"),
    *("rotary_attention", "rotary_attention_gradient", "decoder_attention", "decoder_attention_gradient"),
    *("encode", "bf16_encoder_pack"),
    *("int8_encoder_pack", "int8_product"),
}
_RETURN_COUNT = {
    *("bf16_begin", "bf16_layer_saved", "bf16_layer_weights", "bf16_encoder_bytes", "float32_layer_saved"),
    *("int8_encoder_bytes", "int8_product_bytes"),
}
_TYPES = {"P": _POINTER, "N": _COUNT, "F": _FLOAT, "S": _SEED, "I": _FLAG}


class KernelsUnavailableError(Exception):
    """The C kernels are not available; the message gives the reason."""


class TilesRefusedError(KernelsUnavailableError):
    """The system refuses the tile registers of AMX."""


class KernelLibrary:
    """The functions of one library, called with tensors and numbers.

    Args:
        library: A loaded library.
        level: The instruction set it was built for, such as `avx2`.
        sources: The digest of the sources it was built from; None where it holds none.
    """

    def __init__(self, library: ctypes.CDLL, level: str, sources: str | None = None) -> None:
        self.level = level
        self.sources = sources
        self._functions = {}
        for name, letters in _SIGNATURES.items():
            function = getattr(library, f"palm_{name}")
            function.argtypes = [_TYPES[letter] for letter in letters]
            function.restype = _result_type(name)
            self._functions[name] = function

    def __call__(self, name: str, *arguments: Any) -> None:  # noqa: ANN401 - tensors, numbers, arrays of ctypes
        """Call `palm_<name>`; a tensor is passed as its data pointer, None as a null pointer.

        Raises:
            MemoryError: The function could not allocate memory.
        """
        if self._call(name, arguments):
            raise MemoryError(f"The kernel `{name}` could not allocate memory.")

    def count(self, name: str, *arguments: Any) -> int:  # noqa: ANN401
        """The number that `palm_<name>` returns.

        Raises:
            MemoryError: The function could not allocate memory.
        """
        found = int(self._call(name, arguments))
        if found < 0:
            raise MemoryError(f"The kernel `{name}` could not allocate memory.")
        return found

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
        given = (argument.data_ptr() if isinstance(argument, Tensor) else argument for argument in arguments)
        return self._functions[name](*given)


def _result_type(name: str) -> type | None:
    if name in _RETURN_COUNT:
        return _COUNT
    return ctypes.c_int if name in _RETURN_STATUS else None


def load_kernels() -> KernelLibrary:
    """The kernels for this processor.

    Raises:
        KernelsUnavailableError: None was built, none loads, or Paddle computes on a GPU.
    """
    if paddle.device.get_device() != "cpu":
        raise KernelsUnavailableError("a GPU computes with Paddle's own operations")
    return _loaded()


def loaded_sources() -> str:
    """The digest of the sources of this process's kernels, which distinguishes them from another process's."""
    try:
        return load_kernels().sources or "unknown"
    except KernelsUnavailableError:
        return "none"


@cache
def _loaded() -> KernelLibrary:
    flags = processor_flags()
    try:
        return _load(best_level(flags))
    except TilesRefusedError:
        return _load(best_level(flags - {"amx_tile"}))


def _load(level: str) -> KernelLibrary:
    built = find_library(level)
    if built is None:
        raise KernelsUnavailableError(_why_none())
    if built.is_stale:
        advice = "run `python setup.py build_ext --inplace` in the clone, or install PALM again"
        raise KernelsUnavailableError(f"{built.file.name} was built from other sources than those beside it: {advice}")
    _expose_openmp()
    try:
        kernels = KernelLibrary(ctypes.CDLL(str(built.file)), level.removeprefix("_"), built.sources)
    except (OSError, AttributeError) as error:
        raise KernelsUnavailableError(f"{built.file.name} does not load: {error}") from error
    if kernels.count("bf16_begin"):
        raise TilesRefusedError("the system does not let this process use the tile registers")
    return kernels


def _why_none() -> str:
    if sys.platform != "linux":
        return "they are built for Linux only"
    return "this installation has none; the wheels for Linux have them, and a C compiler builds them from source"


def _expose_openmp() -> None:
    """Let the kernels bind to the OpenMP runtime that Paddle's wheel contains and has loaded."""
    for name in ("libiomp5.so", "libgomp.so.1"):
        file = Path(paddle.__file__).parent / "libs" / name
        try:
            ctypes.CDLL(str(file) if file.exists() else name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return
