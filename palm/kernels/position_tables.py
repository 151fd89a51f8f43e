"""Positions as numbers, in numpy: buckets of relative positions, and angles of rotations.

Layers in Paddle compute with these tables, and so do exported graphs.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_TABLES_KEPT = 32
_VERY_FAR = 1 << 30

Integers = NDArray[np.int64]


def relative_buckets(distances: Integers, buckets: int, longest: int = 128) -> Integers:
    """The bucket of each distance, key minus query: `palm.backbone.embeddings.relative_buckets` for any distances.

    Half of the buckets are for tokens to the right; of each half, half are for one distance each, the others for
    ranges that grow with the logarithm, up to `longest`. Source: T5, arXiv:1910.10683, section 2.1.
    """
    half = buckets // 2
    exact = half // 2
    far = np.abs(distances)
    growth = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(exact)) / np.float32(math.log(longest / exact))
    ranges = np.minimum(exact + (growth * np.float32(half - exact)).astype(np.int64), half - 1)
    return (distances > 0) * half + np.where(far < exact, far, ranges)


def bucket(distances: Integers, buckets: int, largest: int) -> Integers:
    """The bucket of each distance: near ones have their own, far ones share buckets that widen with the logarithm.

    In float32, as transformers computes it. Source: `make_log_bucket_position` in DeBERTa's code,
    https://github.com/microsoft/DeBERTa/blob/master/DeBERTa/deberta/da_utils.py.

    Args:
        distances: Query minus key.
        buckets: Number of buckets of one sign; without buckets every distance has its own.
        largest: Distance from which on all share a bucket.
    """
    if buckets <= 0 or largest <= 0:
        return distances
    middle = buckets // 2
    far = np.where(np.abs(distances) < middle, middle - 1, np.abs(distances)).astype(np.float32)
    scale = np.log(np.float32((largest - 1) / middle))
    logarithms = np.ceil(np.log(far / np.float32(middle)) / scale * np.float32(middle - 1)) + middle
    return np.where(far <= middle, distances, logarithms * np.sign(distances)).astype(np.int64)


def vector_rows(distances: Integers, span: int, buckets: int, largest: int) -> Integers:
    """The row of each distance, query minus key, in a table of 2*span vectors."""
    return np.clip(bucket(distances, buckets, largest) + span, 0, 2 * span - 1)


@lru_cache(_TABLES_KEPT)
def vector_indices(seq: int, span: int, buckets: int, largest: int) -> tuple[int, int, Integers]:
    """The first and last row, of 2*span, that a sequence needs, and the row of each distance from that first on."""
    rows = vector_rows(np.arange(1 - seq, seq), span, buckets, largest)
    return int(rows[0]), int(rows[-1]), rows - rows[0]


def farthest(numbers: Callable[[Integers], Integers]) -> int:
    """A distance from which on `numbers`, which never fall with the distance, are the same on either side."""
    limit = 1
    while not np.array_equal(numbers(np.array([-limit, limit])), numbers(np.array([-_VERY_FAR, _VERY_FAR]))):
        limit *= 2
    return limit


@lru_cache(_TABLES_KEPT)
def angles(seq: int, size: int, theta: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine and sine [seq size] of position · theta^(-2i/size), in float32 as transformers computes them."""
    exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    rates = np.float32(1) / np.power(np.float32(theta), exponents)
    turned = np.arange(seq, dtype=np.float32)[:, None] * np.tile(rates, 2)  # [seq size]
    return np.cos(turned), np.sin(turned)
