"""Whole encoder layers of a head's own, copied from the top of the shared encoder."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import paddle
from paddle import ParamAttr, Tensor, nn

from palm.backbone.encoder import EncoderLayer
from palm.kernels import plain
from palm.kernels.choice import choose_kernels
from palm.kernels.contract import Rows
from palm.kernels.products import in_float32
from palm.schema.fields import BackboneFields


class CopiedLayers(nn.Layer):
    """Copies of the shared encoder's top layers, under their numbers there.

    Args:
        config: The encoder's sizes.
        count: How many layers, from the last.
    """

    KEPT_AS: ClassVar[str] = "layers"
    """In the names of the parameters."""

    def __init__(self, config: BackboneFields, count: int) -> None:
        super().__init__()
        compute = choose_kernels(config.kernels).compute_layer
        self.first = config.num_hidden_layers - count
        numbers = range(self.first, config.num_hidden_layers)
        self.add_sublayer(
            self.KEPT_AS, nn.LayerDict({str(number): EncoderLayer(config, compute) for number in numbers})
        )

    @property
    def copies(self) -> list[nn.Layer]:
        """The layers, from the lowest."""
        return list(getattr(self, self.KEPT_AS).values())

    def pairs(self, shared: Sequence[nn.Layer]) -> Iterator[tuple[Tensor, Tensor]]:
        """Each parameter of the copies, and the one of the `shared` layers that it began as."""
        for own, other in zip(self.copies, shared[self.first :], strict=True):
            others = dict(other.named_parameters())
            yield from ((parameter, others[name]) for name, parameter in own.named_parameters())

    def start_as(self, shared: Sequence[nn.Layer]) -> None:
        """Take the parameters of the `shared` layers over."""
        for own, other in self.pairs(shared):
            own.set_value(other)


class PrivateStack(CopiedLayers):
    """A private stack beside the shared layers; a gate decides by token what the head sees of each.

    The shared-private model of arXiv:1704.05742, with a gate in place of its concatenation:
    `shared + σ(gate · shared) · (private - shared)`. At first both stacks are the same, and so is what the head sees.
    """

    def __init__(self, config: BackboneFields, count: int) -> None:
        super().__init__(config, count)
        zero = ParamAttr(initializer=nn.initializer.Constant(0.0))
        self.gate = nn.Linear(config.hidden_size, 1, weight_attr=zero)

    def outputs(self, layers: Sequence[nn.Layer], hidden: Tensor, rows: Rows) -> Iterator[Tensor]:
        """What the head sees of each of the shared encoder's lowest `layers`: [batch*seq hidden]."""
        private, copies = hidden, self.copies
        for number, layer in enumerate(layers):
            if number < self.first:
                hidden = private = layer(hidden, rows)
                yield hidden
                continue
            hidden, private = layer(hidden, rows), copies[number - self.first](private, rows)
            share = nn.functional.sigmoid(plain.linear(hidden, self.gate.weight, self.gate.bias))  # [batch*seq 1]
            yield hidden + share * (private - hidden)


class OwnLayers(CopiedLayers):
    """A head's own layers in the place of the shared ones, which `soft_sharing_weight` keeps near those of other heads.

    Source: soft parameter sharing, arXiv:1706.05098 section 2.2, by the L2 distance of Duong et al. (2015).
    """

    KEPT_AS: ClassVar[str] = "encoder_layers"

    def outputs(self, layers: Sequence[nn.Layer], hidden: Tensor, rows: Rows) -> Iterator[Tensor]:
        """What the head sees in the place of each of the shared encoder's lowest `layers`: [batch*seq hidden]."""
        for layer in self.encoder(layers)[: len(layers)]:
            hidden = layer(hidden, rows)
            yield hidden

    def encoder(self, shared: Sequence[nn.Layer]) -> list[nn.Layer]:
        """The layers that the head is trained on: the `shared` ones, and from the first copied one on its own."""
        return [*shared[: self.first], *self.copies]


def squared_distance(own: OwnLayers, others: Sequence[Sequence[nn.Layer]]) -> Tensor:
    """Mean over `others`, encoders of as many layers, of the squared L2 distance of the `own` layers: float32[].

    Only the own layers get a gradient: a step moves what its task is trained on.
    """
    squares = [_squared_length(parameter - fixed.detach()) for other in others for parameter, fixed in own.pairs(other)]
    return paddle.add_n(squares) / len(others)


def _squared_length(values: Tensor) -> Tensor:
    # On the CPU a product is much faster than Paddle's power and sum.
    with in_float32():
        length: Tensor = (values.reshape([1, -1]) @ values.reshape([-1, 1])).reshape([])
    return length
