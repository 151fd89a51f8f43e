"""Inputs and outputs of components: names, axes and element types of arrays, checked before anything is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Phase = Literal["train", "eval", "predict"]


@dataclass(frozen=True)
class Spec:
    """Shape and element type of one named array.

    Attributes:
        axes: Axis words separated by blanks, such as `"batch seq hidden"`; empty for a scalar.
        dtype: Element type as numpy spells it, such as `"int64"`.
    """

    axes: str
    dtype: str

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.axes.split())

    def __str__(self) -> str:
        return f"{self.dtype}[{self.axes}]"


Specs = Mapping[str, Spec]
LegacySpec = Sequence[object]


def as_spec(value: Spec | LegacySpec) -> Spec:
    """Convert PaddlePALM's `[[-1, -1], "int64"]` to a `Spec`; unnamed axes are called `axis0`, `axis1`, …"""
    if isinstance(value, Spec):
        return value
    shape, dtype = value
    if not isinstance(shape, Sequence) or not isinstance(dtype, str):
        raise TypeError(f"A spec is Spec(axes, dtype) or [[-1, …], dtype]. Found `{value!r}`.")
    return Spec(" ".join(f"axis{number}" for number in range(len(shape))), dtype)


def unmet(needed: Specs, offered: Specs) -> dict[str, str]:
    """Names in `needed` that `offered` lacks or has with another rank or type, each with the reason."""
    reasons = {}
    for name, spec in needed.items():
        if name not in offered:
            reasons[name] = "no component provides it"
            continue
        expected, given = as_spec(spec), as_spec(offered[name])
        if (given.rank, given.dtype) != (expected.rank, expected.dtype):
            reasons[name] = f"needs {expected}, found {given}"
    return reasons


def legacy_specs(specs: Specs) -> dict[str, LegacySpec]:
    """`specs` in PaddlePALM's form: name → `[[-1, -1], "int64"]`, every axis of any length."""
    return {name: [[-1] * as_spec(spec).rank, as_spec(spec).dtype] for name, spec in specs.items()}
