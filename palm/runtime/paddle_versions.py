"""Paddle 2.6.2 to 3.x: what differs between them, in one place. No other module asks for Paddle's version.

The GPU build on the Python package index ends at 2.6.2; Paddle's own index has 3.x.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle.nn.initializer import Initializer

_LIBRARY = "paddle.base.libpaddle"
IMPORTED_FIRST = ("numpy.random.mtrand", "zlib")
"""Modules that crash if 2.6 was loaded before them, whose library has functions of their names."""


def modules_too_late() -> list[str]:
    """Those of `IMPORTED_FIRST` that were not imported before Paddle 2.6; none with Paddle 3."""
    loaded = list(sys.modules)  # in the order of their imports
    if _LIBRARY not in loaded or paddle_major() >= 3:
        return []
    return [name for name in IMPORTED_FIRST if name not in loaded[: loaded.index(_LIBRARY)]]


def truncated_normal(deviation: float) -> "Initializer":
    """The initializer of a normal distribution, truncated at two deviations."""
    from paddle.nn.initializer import TruncatedNormal  # noqa: PLC0415 (imported after the environment is prepared)

    if paddle_major() < 3:
        return TruncatedNormal(0.0, deviation)  # cuts there by itself, and takes no bounds
    return TruncatedNormal(0.0, deviation, -2 * deviation, 2 * deviation)


def computes_empty_tensors() -> bool:
    """Whether products and sums take tensors without rows."""
    return paddle_major() >= 3


def fused_attention_takes_masks() -> bool:
    """Whether the fused attention of this GPU takes a mask: 2.6 has only flash attention for that, from Ampere on."""
    import paddle  # noqa: PLC0415 (as above)

    return paddle_major() >= 3 or paddle.device.cuda.get_device_capability()[0] >= 8


def static_graph_refusal() -> str | None:
    """Why layers cannot be translated to a static graph; None if they can."""
    if paddle_major() >= 3:
        return None
    return "Paddle 2.6 cannot translate typed assignments and super() of PALM's layers"


def paddle_major() -> int:
    """The first number of Paddle's version; a build from Paddle's own sources is `0.0.0` and counts as new."""
    import paddle  # noqa: PLC0415 (as above)

    return int(paddle.__version__.split(".")[0]) or 3
