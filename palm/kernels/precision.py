"""Mixed precision: which products are in bfloat16, in training and in prediction; what `amp: auto` chooses here."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Literal

import paddle

from palm.kernels.fused.bf16 import Bf16UnavailableError, check_products
from palm.kernels.fused.bf16_layer import check_layer
from palm.kernels.fused.layer import ACTIVATIONS
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.products import bf16_products, in_float32, int8_weights, layer_products

_log = logging.getLogger("palm")

Amp = Literal["auto", "off", "bf16", "fp16"]
"""Values of the key `amp`."""
Computed = Literal["off", "bf16", "fp16"]
"""What a run computes in: float32, or products in bfloat16 or, on a GPU, float16."""
NAMES: dict[Computed, Literal["float32", "bfloat16", "float16"]] = {
    "off": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
}


@dataclass(frozen=True)
class ChosenPrecision:
    """What the key `amp` means on this machine.

    Attributes:
        computed: `bf16`, `fp16`, or `off` for float32.
        reason: Why `amp: auto` has chosen it.
    """

    computed: Computed
    reason: str = ""


def choose_precision(amp: Amp, *, kernels: str = "auto", activation: str = "gelu") -> ChosenPrecision:
    """What `amp` means here for an encoder; an `amp: bf16` or `fp16` that cannot be used is warned of once.

    Args:
        amp: The key.
        kernels: The backbone's key `kernels`.
        activation: The backbone's key `hidden_act`.
    """
    if amp == "off":
        return ChosenPrecision("off")
    if paddle.device.get_device() != "cpu" or amp == "fp16":
        return _choose_on_gpu(amp)
    if kernels == "plain":
        return ChosenPrecision("off", "on a CPU, kernels: plain computes in float32")
    if amp == "bf16":
        _warn_once(amp, bf16_refusal())
        return ChosenPrecision("off" if bf16_refusal() else "bf16")
    if activation not in ACTIVATIONS:
        return ChosenPrecision("off", f"the fused kernels do not compute hidden_act: {activation}")
    refusal = _tiles_refusal() or bf16_refusal()
    return ChosenPrecision("off", refusal) if refusal else ChosenPrecision("bf16", "this processor has AMX")


def _choose_on_gpu(amp: Amp) -> ChosenPrecision:
    if amp == "auto":
        return ChosenPrecision("off", "on a GPU it is off")
    refusal = half_refusal(amp)
    _warn_once(amp, refusal)
    return ChosenPrecision("off" if refusal else "fp16" if amp == "fp16" else "bf16")


def half_refusal(amp: Amp) -> str | None:
    """Why the current device cannot compute in Paddle's AMP with `amp`; None if it can."""
    if paddle.device.get_device() == "cpu":
        return "float16 is computed on a GPU alone"
    supported = paddle.amp.is_float16_supported() if amp == "fp16" else paddle.amp.is_bfloat16_supported()
    return None if supported else f"this GPU, or this build of Paddle, has no {amp} products"


def evaluated_precision(computed: Computed) -> Literal["off", "bf16"]:
    """What a model is evaluated and predicts in after training in `computed`: of float16 its float32 weights."""
    return "bf16" if computed == "bf16" else "off"


def continued_precision(amp: Amp, chosen: ChosenPrecision, recorded: Computed) -> tuple[Computed, list[str]]:
    """What a resumed run computes in, and lines for the user: with `amp: auto` as recorded, wherever that is possible.

    Args:
        amp: The key.
        chosen: What it means on this machine.
        recorded: What the checkpoint's run computed in.
    """
    if chosen.computed == recorded:
        return recorded, []
    before, now = NAMES[recorded], NAMES[chosen.computed]
    if amp != "auto":
        found = f"The run was started in {before}, and continues in {now} (amp: {amp})."
        return chosen.computed, [f"{found} Its result will differ."]
    found = f"The run was started in {before}; amp: auto would choose {now} on this machine"
    found += f" ({chosen.reason})." if chosen.reason else "."
    if recorded == "off":
        return recorded, [f"Warning: {found} Continuing in {before}, as started."]
    # Only without tiles does auto differ from what AVX512-BF16 can compute.
    refusal = bf16_refusal()
    if recorded == "fp16":
        refusal = "float16 is for amp: fp16"
    elif paddle.device.get_device() != "cpu":
        refusal = "a GPU is used"
    if refusal:
        rule = f"{found} Continuing in {now}, since {before} is not possible: {refusal}."
        return chosen.computed, [f"Warning: {rule} Its result will differ."]
    return recorded, [f"Warning: {found} Continuing in {before}, as started; another processor rounds differently."]


def mixed_precision(amp: Amp) -> AbstractContextManager[None]:
    """The context of a forward pass; weights, optimizer state, sums and reductions stay float32.

    On a GPU Paddle's own AMP chooses the operations (level O1). On a CPU with AVX512-BF16 or AMX the fused encoder
    layers multiply in bfloat16; on other CPUs everything stays float32, with one warning.
    """
    computed = choose_precision(amp).computed
    if computed == "off":
        return nullcontext()
    if paddle.device.get_device() == "cpu":
        return bf16_products()
    context: AbstractContextManager[None] = paddle.amp.auto_cast(dtype=NAMES[computed], level="O1")
    return context


def float32() -> AbstractContextManager[None]:
    """The context of a forward pass in float32, whatever the precision around it."""
    return layer_products(bf16=False) if paddle.device.get_device() == "cpu" else in_float32()


@contextmanager
def int8() -> Iterator[None]:
    """The context of a forward pass with the encoder's weights in 8-bit integers; everything else is float32.

    Raises:
        Int8UnavailableError: In the context: the encoder has no such kernel.
    """
    with float32(), int8_weights():
        yield


@cache
def bf16_refusal() -> str | None:
    """Why this CPU cannot multiply in bfloat16; None if it can."""
    try:
        check_products()
        check_layer()
    except Bf16UnavailableError as reason:
        return str(reason)
    return None


def _tiles_refusal() -> str | None:
    """Why this CPU's kernels do not use AMX tiles; None if they do."""
    try:
        level = load_kernels().level
    except KernelsUnavailableError as reason:
        return str(reason)
    return None if level == "amx" else "this processor has no AMX, or the system does not allow its use"


@cache
def _warn_once(amp: Amp, reason: str | None) -> None:
    if reason:
        _log.warning("amp: %s cannot be used: %s. Computing in float32.", amp, reason)
