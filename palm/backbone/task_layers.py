"""Task-specific encoder layers, copied from the top of the shared encoder."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import paddle
from paddle import ParamAttr, Tensor, nn

from palm.backbone.encoder import BuildLayer
from palm.kernels import plain
from palm.kernels.contract import Rows
from palm.kernels.products import in_float32
from palm.schema.fields import BackboneFields


class CopiedLayers(nn.Layer):
    """Copies of the shared encoder's top layers, with the same layer numbers.

    Args:
        config: The backbone's config.
        count: Number of layers, counted from the last.
        build_layer: Builds a layer of the shared encoder.
    """

    PADDED: ClassVar[bool] = False
    KEPT_AS: ClassVar[str] = "layers"
    """Part of the parameters' names."""

    def __init__(self, config: BackboneFields, count: int, build_layer: BuildLayer) -> None:
        super().__init__()
        self.first = config.num_hidden_layers - count
        numbers = range(self.first, config.num_hidden_layers)
        self.add_sublayer(self.KEPT_AS, nn.LayerDict({str(number): build_layer(number) for number in numbers}))

    @property
    def copies(self) -> list[nn.Layer]:
        """The layers, from the lowest."""
        return list(getattr(self, self.KEPT_AS).values())

    def pairs(self, shared: Sequence[nn.Layer]) -> Iterator[tuple[Tensor, Tensor]]:
        """Each parameter of the copies, with its counterpart in the `shared` layers."""
        for own, other in zip(self.copies, shared[self.first :], strict=True):
            others = dict(other.named_parameters())
            yield from ((parameter, others[name]) for name, parameter in own.named_parameters())

    def start_as(self, shared: Sequence[nn.Layer]) -> None:
        """Copy the parameters of the `shared` layers."""
        for own, other in self.pairs(shared):
            own.set_value(other)


class PrivateStack(CopiedLayers):
    """A private stack beside the shared layers; the head sees a mix of both, weighted per token by a gate.

    The shared-private model of arXiv:1704.05742, with a gate instead of its concatenation:
    `shared + σ(gate · shared) · (private - shared)`. Initially both stacks are the same, and the head sees either.
    """

    def __init__(self, config: BackboneFields, count: int, build_layer: BuildLayer) -> None:
        super().__init__(config, count, build_layer)
        zero = ParamAttr(initializer=nn.initializer.Constant(0.0))
        self.gate = nn.Linear(config.hidden_size, 1, weight_attr=zero)

    def outputs(self, layers: Sequence[nn.Layer], hidden: Tensor, rows: Rows) -> Iterator[Tensor]:
        """Yield the head's hidden states after each of the shared encoder's lowest `layers`: [batch*seq hidden]."""
        private, copies = hidden, self.copies
        for number, layer in enumerate(layers):
            if number < self.first:
                hidden = private = layer(hidden, rows)
                yield hidden
                continue
            hidden, private = layer(hidden, rows), copies[number - self.first](private, rows)
            gate = nn.functional.sigmoid(plain.linear(hidden, self.gate.weight, self.gate.bias))  # [batch*seq 1]
            yield hidden + gate * (private - hidden)


class OwnLayers(CopiedLayers):
    """A head's own layers instead of the shared ones; `soft_sharing_weight` keeps them close to those of other heads.

    Source: soft parameter sharing, arXiv:1706.05098 section 2.2, by the L2 distance of Duong et al. (2015).
    """

    KEPT_AS: ClassVar[str] = "encoder_layers"

    def outputs(self, layers: Sequence[nn.Layer], hidden: Tensor, rows: Rows) -> Iterator[Tensor]:
        """The hidden states of the head instead of the shared encoder's lowest `layers`: [batch*seq hidden]."""
        for layer in self.encoder(layers)[: len(layers)]:
            hidden = layer(hidden, rows)
            yield hidden

    def encoder(self, shared: Sequence[nn.Layer]) -> list[nn.Layer]:
        """The layers of the head's encoder: the `shared` ones, then its own from the first copied one on."""
        return [*shared[: self.first], *self.copies]


def squared_distance(own: OwnLayers, others: Sequence[Sequence[nn.Layer]]) -> Tensor:
    """Mean over `others`, encoders of the same depth, of the squared L2 distance to the `own` layers: float32[].

    Only the own layers get a gradient: a step updates the layers of its own task.
    """
    squares = [_squared_length(parameter - fixed.detach()) for other in others for parameter, fixed in own.pairs(other)]
    return paddle.add_n(squares) / len(others)


def _squared_length(values: Tensor) -> Tensor:
    # On the CPU a product is much faster than Paddle's power and sum.
    with in_float32():
        length: Tensor = (values.reshape([1, -1]) @ values.reshape([-1, 1])).reshape([])
    return length
