"""The interface of encoder layers, which any function with this signature can replace, and settings of attention."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import Tensor


@dataclass(frozen=True)
class LayerSettings:
    """Settings of an encoder layer besides its weights.

    Attributes:
        heads: Number of attention heads; it divides the width.
        activation: `gelu` (exact), `gelu_new` (by tanh), `relu` or `tanh`.
        epsilon: Epsilon of layer normalisation.
        hidden_dropout: Dropout after attention and after the feed-forward part; 0 outside training.
        attention_dropout: Dropout of attention probabilities; 0 outside training.
        bf16: Whether the fused layer multiplies in bfloat16.
    """

    heads: int
    activation: str
    epsilon: float
    hidden_dropout: float
    attention_dropout: float
    bf16: bool = False

    def without_dropout(self) -> "LayerSettings":
        """The same settings, for inference."""
        return replace(self, hidden_dropout=0.0, attention_dropout=0.0)


@dataclass(frozen=True)
class Rows:
    """How the token rows of a batch form sequences.

    Attributes:
        batch: Number of sequences.
        seq: Tokens per sequence, padding included.
        mask: Added to attention scores, float32[batch 1 1 seq]: 0 for a token, -10000 for padding. None where
            nothing is padded.
        bias: Added to attention scores, too, float32[1 heads seq seq]: that of relative positions, a parameter.
        prefix: Keys and values before those of every sequence, float32[2 prefix hidden], which have a gradient.
    """

    batch: int
    seq: int
    mask: "Tensor | None"
    bias: "Tensor | None" = field(default=None, kw_only=True)
    prefix: "Tensor | None" = field(default=None, kw_only=True)

    def shared(self) -> tuple["Tensor", ...]:
        """What layers read and has a gradient, besides the hidden states."""
        return tuple(each for each in (self.bias, self.prefix) if each is not None)

    def with_shared(self, shared: Sequence["Tensor"]) -> "Rows":
        """The same rows with other tensors in place of those of `shared()`."""
        given = iter(shared)
        return replace(
            self,
            bias=None if self.bias is None else next(given),
            prefix=None if self.prefix is None else next(given),
        )


@dataclass(frozen=True)
class PackedRows(Rows):
    """The rows of a batch that exist, without padding; the mask is None.

    Attributes:
        starts: Sequence b is rows starts[b] to starts[b + 1], int64[batch+1].
    """

    starts: "NDArray[np.int64]"


@dataclass(frozen=True)
class LayerWeights:
    """Parameters of one encoder layer, dense weights [in out]; `qkv` holds queries, keys and values."""

    qkv_weight: "Tensor"
    qkv_bias: "Tensor"
    output_weight: "Tensor"
    output_bias: "Tensor"
    attention_norm_weight: "Tensor"
    attention_norm_bias: "Tensor"
    intermediate_weight: "Tensor"
    intermediate_bias: "Tensor"
    ffn_weight: "Tensor"
    ffn_bias: "Tensor"
    ffn_norm_weight: "Tensor"
    ffn_norm_bias: "Tensor"


class ComputeLayer(Protocol):
    """Computes one encoder layer."""

    def __call__(self, hidden: "Tensor", weights: LayerWeights, *, settings: LayerSettings, rows: Rows) -> "Tensor":
        """Next hidden states, float32[batch*seq hidden], from `hidden` of the same shape."""
        ...


@dataclass(frozen=True)
class DecoderAttention:
    """Settings of an attention of a decoder.

    Attributes:
        heads: Number of attention heads.
        batch: Number of sequences.
        causal: Whether each query sees the keys up to its own place alone.
        dropout: Dropout of the probabilities; 0 outside training.
        fused: Whether the fused kernels may compute it.
        bf16: Whether products are in bfloat16.
    """

    heads: int
    batch: int
    causal: bool
    dropout: float
    fused: bool
    bf16: bool
