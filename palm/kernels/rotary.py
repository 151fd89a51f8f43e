"""Self-attention with rotary position embeddings (arXiv:2104.09864), over all tokens or a window around each."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional

from palm.kernels import plain
from palm.kernels.autograd import Context, transposed
from palm.kernels.contract import LayerSettings, PackedRows, Rows
from palm.kernels.dense import Probabilities, attention_probabilities, on_cpu, product_in
from palm.kernels.fused.packing import Packing
from palm.kernels.position_tables import angles
from palm.kernels.products import product

# Added to the scores of tokens that are out of reach: softmax is then exactly 0 in float32.
_OUT_OF_REACH = -10000.0
# Sequences longer than this many windows are computed block by block: time and memory then grow with their length.
_BLOCKS_FROM = 4
_TABLES_KEPT = 32
# Positions in a static graph, those of the published encoders; it fails with a longer sequence.
_LONGEST = 8192


@dataclass(frozen=True)
class Reach:
    """What a layer's queries see, and how positions rotate them.

    Attributes:
        cosine: float32[seq size].
        sine: float32[seq size].
        mask: Added to the scores: [batch 1 1 seq], [batch 1 seq seq], or of blocks [batch 1 blocks window 3*window].
        window: Largest distance of a token that is seen, where the sequence is computed in blocks of that many
            queries; None where it is computed at once.
    """

    cosine: Tensor
    sine: Tensor
    mask: Tensor | None
    window: int | None = None


@dataclass(frozen=True)
class Rotation:
    """How the layers of an encoder rotate queries and keys.

    Attributes:
        size: Of a head.
        theta: The rotation's base in layers that see all tokens.
        local_theta: Its base in layers that see a window.
        window: Largest distance of a token that these see.
    """

    size: int
    theta: float
    local_theta: float
    window: int

    def table(self, seq: int, *, local: bool) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the angles of `seq` positions, float32[seq size]."""
        return _rotation(seq, self.size, self.local_theta if local else self.theta)


@dataclass(frozen=True)
class RotaryRows(Rows):
    """The sequences of a batch, with the reach of layers that see all of them and of those that see a window."""

    rotation: Rotation

    @cached_property
    def whole(self) -> Reach:
        """What layers see that see all tokens."""
        return whole_reach(self, self.rotation.size, self.rotation.theta)

    @cached_property
    def local(self) -> Reach:
        """What layers see that see a window."""
        return local_reach(self, self.rotation.size, self.rotation.local_theta, self.rotation.window)


@dataclass(frozen=True)
class PackedRotaryRows(PackedRows):
    """The same without padding."""

    rotation: Rotation

    @cached_property
    def whole(self) -> tuple[Tensor, Tensor]:
        """Cosine and sine in layers that see all tokens."""
        return self.rotation.table(self.seq, local=False)

    @cached_property
    def local(self) -> tuple[Tensor, Tensor]:
        """Cosine and sine in layers that see a window."""
        return self.rotation.table(self.seq, local=True)


class RotaryPacking(Packing):
    """The tokens of a padded batch, whose packed rows rotate, too."""

    rows: PackedRotaryRows

    def __init__(self, rows: RotaryRows) -> None:
        super().__init__(rows)
        self.rows = PackedRotaryRows(rows.batch, rows.seq, None, self.rows.starts, rows.rotation)


def whole_reach(rows: Rows, size: int, theta: float) -> Reach:
    """Every token, with heads of `size` and the rotation's base `theta`."""
    return Reach(*_rotation(rows.seq, size, theta), rows.mask)


def local_reach(rows: Rows, size: int, theta: float, window: int) -> Reach:
    """The tokens up to `window` before and behind each."""
    reach = whole_reach(rows, size, theta)
    if not paddle.in_dynamic_mode():  # a static graph fits sequences of every length
        # In float32 and of four axes: oneDNN's `abs` of whole numbers is wrong, and its sum of other ranks fails.
        places = paddle.arange(rows.seq).astype("float32")
        far = ((places.unsqueeze(1) - places.unsqueeze(0)).abs() > window).astype("float32") * _OUT_OF_REACH
        far = far.unsqueeze([0, 1])  # [1 1 seq seq]
        return replace(reach, mask=far if rows.mask is None else far + rows.mask)
    if rows.seq <= window + 1:
        return reach
    if rows.seq <= _BLOCKS_FROM * window:
        near = paddle.to_tensor(_window_mask(rows.seq, window)).unsqueeze([0, 1])
        return replace(reach, mask=near if rows.mask is None else near + rows.mask)
    return replace(reach, mask=_block_mask(rows, window), window=window)


def attention(qkv: Tensor, reach: Reach, *, settings: LayerSettings, rows: Rows, fused: bool) -> Tensor:
    """Scaled dot-product attention of rotated queries and keys.

    Args:
        qkv: Queries, keys and values side by side, float32[batch*seq 3*hidden].
        reach: What is seen.
        settings: Number of heads, dropout of the probabilities, and precision.
        rows: The sequences.
        fused: Whether the fused kernels may compute parts of it.

    Returns:
        float32[batch*seq hidden]
    """
    if on_cpu(qkv):
        return _attention(qkv, reach, settings, rows.seq, fused)
    return plain_attention(qkv, reach, settings=settings, rows=rows)


def plain_attention(qkv: Tensor, reach: Reach, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """`attention` with Paddle's backward pass, for other devices and for export to a static graph."""
    size = qkv.shape[-1] // (3 * settings.heads)
    split = qkv.reshape([rows.batch, rows.seq, 3, settings.heads, size]).transpose([2, 0, 3, 1, 4])
    query, key, value = split.unbind(0)  # [batch heads seq size] each
    query, key = _rotated(query, reach) * size**-0.5, _rotated(key, reach)
    if reach.window is not None:
        query, key, value = _query_blocks(query, reach.window), *(_key_blocks(x, reach.window) for x in (key, value))
    scores = product(query, key, transpose_other=True)  # [batch heads (blocks) queries keys]
    if reach.mask is not None:
        scores = scores + reach.mask
    probabilities = plain.dropout(functional.softmax(scores), settings.attention_dropout)
    context = product(probabilities, value)
    context = context if reach.window is None else _joined(context, rows.seq)
    return context.transpose([0, 2, 1, 3]).reshape([-1, settings.heads * size])  # [batch*seq hidden]


class RotaryAttention(PyLayer):
    """`plain_attention` with a backward pass that is fast on the CPU."""

    @staticmethod
    def forward(ctx: Context, qkv: Tensor, reach: Reach, settings: LayerSettings, seq: int, fused: bool) -> Tensor:
        heads = settings.heads
        size = qkv.shape[1] // (3 * heads)
        multiply = product_in(bf16=settings.bf16)
        split = transposed(qkv.reshape([-1, seq, 3, heads, size]), [2, 0, 3, 1, 4])
        query, key, value = split.unbind(0)  # [batch heads seq size]
        query, key = _rotated(query, reach).scale_(size**-0.5), _rotated(key, reach)
        if reach.window is not None:
            query, key, value = (
                _query_blocks(query, reach.window),
                *(_key_blocks(x, reach.window) for x in (key, value)),
            )
        scores = multiply(query, key, transpose_other=True)
        probabilities = attention_probabilities(scores, reach.mask, settings.attention_dropout, fused=fused)
        context = multiply(probabilities.dropped(), value)
        ctx.save_for_backward(query, key, value, probabilities.values, probabilities.keep)
        ctx.kind = probabilities.dropout, probabilities.scale, probabilities.fused
        ctx.reach, ctx.multiply, ctx.sizes = reach, multiply, (seq, heads, size)
        whole = context if reach.window is None else _joined(context, seq)
        return transposed(whole.contiguous(), [0, 2, 1, 3]).reshape([-1, heads * size])

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        query, key, value, values, keep = ctx.saved_tensor()
        probabilities = Probabilities(values, keep, *ctx.kind)
        reach, multiply, (seq, heads, size) = ctx.reach, ctx.multiply, ctx.sizes
        by_head = transposed(gradient.reshape([-1, seq, heads, size]), [0, 2, 1, 3])
        by_head = by_head if reach.window is None else _query_blocks(by_head, reach.window)
        value_gradient = multiply(probabilities.dropped(), by_head, transpose_one=True)
        scores = probabilities.score_gradient(multiply(by_head, value, transpose_other=True))
        query_gradient, key_gradient = multiply(scores, key), multiply(scores, query, transpose_one=True)
        if reach.window is not None:
            query_gradient = _joined(query_gradient, seq)
            key_gradient, value_gradient = (_summed(x, seq) for x in (key_gradient, value_gradient))
        back = replace(reach, sine=-reach.sine)
        query_gradient = _rotated(query_gradient, back).scale_(size**-0.5)
        stacked = paddle.stack(
            [query_gradient, _rotated(key_gradient, back), value_gradient]
        )  # [3 batch heads seq size]
        return transposed(stacked, [1, 3, 0, 2, 4]).reshape([-1, 3 * heads * size])


_attention: Callable[[Tensor, Reach, LayerSettings, int, bool], Tensor] = RotaryAttention.apply


def _rotated(values: Tensor, reach: Reach) -> Tensor:
    """[batch heads seq size], each pair of coordinates `i` and `i + size / 2` turned by the angle of its position."""
    size = values.shape[-1]
    if not paddle.in_dynamic_mode():
        one, other = values.chunk(2, axis=-1)
        return values * reach.cosine + paddle.concat([-other, one], axis=-1) * reach.sine
    # A product with a matrix of 0 and ±1 is exact, and much faster on the CPU than Paddle's views of two halves.
    turned = product(values.reshape([-1, size]), paddle.to_tensor(_quarter_turn(size))).reshape(values.shape)
    return values * reach.cosine + turned * reach.sine


@lru_cache(_TABLES_KEPT)
def _quarter_turn(size: int) -> NDArray[np.float32]:
    """The matrix that maps (a, b), halves of a row, to (-b, a)."""
    half = size // 2
    matrix = np.zeros((size, size), np.float32)
    matrix[half:, :half], matrix[:half, half:] = -np.eye(half), np.eye(half)
    return matrix


def _rotation(seq: int, size: int, theta: float) -> tuple[Tensor, Tensor]:
    if not paddle.in_dynamic_mode():  # `seq` is known when the graph runs
        cosine, sine = angles(_LONGEST, size, theta)
        return paddle.to_tensor(cosine)[:seq], paddle.to_tensor(sine)[:seq]
    cosine, sine = angles(seq, size, theta)
    return paddle.to_tensor(cosine), paddle.to_tensor(sine)


@lru_cache(_TABLES_KEPT)
def _window_mask(seq: int, window: int) -> NDArray[np.float32]:
    """[seq seq]: 0 up to a distance of `window`, otherwise what is added to scores out of reach."""
    places = np.arange(seq)
    return np.where(np.abs(places[:, None] - places) <= window, 0.0, _OUT_OF_REACH).astype(np.float32)


def _block_mask(rows: Rows, window: int) -> Tensor:
    """[1 or batch, 1 blocks window 3*window]: the mask of blocks of queries and of the keys in and around each."""
    count = math.ceil(rows.seq / window)
    keys = (np.arange(count)[:, None] - 1) * window + np.arange(3 * window)  # [blocks 3*window]
    queries = np.arange(count)[:, None] * window + np.arange(window)  # [blocks window]
    near = np.abs(queries[:, :, None] - keys[:, None]) <= window  # [blocks window 3*window]
    inside = (keys >= 0) & (keys < rows.seq)
    mask = paddle.to_tensor(np.where(near & inside[:, None], 0.0, _OUT_OF_REACH).astype(np.float32)).unsqueeze([0, 1])
    if rows.mask is None:
        return mask
    places = paddle.to_tensor(np.clip(keys, 0, rows.seq - 1).ravel())
    padding = paddle.gather(rows.mask.reshape([rows.batch, rows.seq]), places, axis=1)  # [batch blocks*3*window]
    return mask + padding.reshape([rows.batch, 1, count, 1, 3 * window])


def _query_blocks(values: Tensor, window: int) -> Tensor:
    """[batch heads seq size] → [batch heads blocks window size]."""
    batch, heads, seq, size = values.shape
    count = math.ceil(seq / window)
    return _padded(values, 0, count * window - seq).reshape([batch, heads, count, window, size])


def _key_blocks(values: Tensor, window: int) -> Tensor:
    """[batch heads seq size] → [batch heads blocks 3*window size]: each block with those before and behind it."""
    batch, heads, seq, size = values.shape
    count = math.ceil(seq / window)
    padded = _padded(values, window, (count + 1) * window - seq).reshape([batch, heads, count + 2, window, size])
    return paddle.concat([padded[:, :, first : first + count] for first in range(3)], axis=3)


def _joined(blocks: Tensor, seq: int) -> Tensor:
    """[batch heads blocks window size] → [batch heads seq size]."""
    batch, heads, count, window, size = blocks.shape
    return blocks.reshape([batch, heads, count * window, size])[:, :, :seq]


def _summed(blocks: Tensor, seq: int) -> Tensor:
    """The gradient of `_key_blocks`: [batch heads blocks 3*window size] → [batch heads seq size]."""
    batch, heads, count, width, size = blocks.shape
    window = width // 3
    thirds = blocks.reshape([batch, heads, count, 3, window * size])
    spread = [_padded(thirds[:, :, :, third], third, 2 - third) for third in range(3)]  # [batch heads blocks+2 …]
    total = paddle.add_n(spread).reshape([batch, heads, (count + 2) * window, size])
    return total[:, :, window : window + seq].contiguous()


def _padded(values: Tensor, before: int, behind: int) -> Tensor:
    """Zeros before and behind the third axis of four."""
    batch, heads, _, width = values.shape
    around = [paddle.zeros([batch, heads, count, width], values.dtype) for count in (before, behind)]
    parts = [part for part in (around[0], values, around[1]) if part.shape[2]]
    return paddle.concat(parts, axis=2) if len(parts) > 1 else values
