"""Whole encoder layers of a head's own, copied from the top of the shared encoder."""

from collections.abc import Iterator, Sequence

from paddle import ParamAttr, Tensor, nn

from palm.backbone.encoder import EncoderLayer
from palm.config.fields import BackboneFields
from palm.kernels import plain
from palm.kernels.choice import choose_kernels
from palm.kernels.layer import Rows


class CopiedLayers(nn.Layer):
    """Copies of the shared encoder's top layers.

    Args:
        config: The encoder's sizes.
        count: How many layers, from the last.
    """

    def __init__(self, config: BackboneFields, count: int) -> None:
        super().__init__()
        compute = choose_kernels(config.kernels).compute_layer
        self.layers = nn.LayerList([EncoderLayer(config, compute) for _ in range(count)])
        self.first = config.num_hidden_layers - count

    def pairs(self, shared: Sequence[nn.Layer]) -> Iterator[tuple[Tensor, Tensor]]:
        """Each parameter of the copies, and the one of the `shared` layers that it began as."""
        for own, other in zip(self.layers, shared[self.first :], strict=True):
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
        private = hidden
        for number, layer in enumerate(layers):
            if number < self.first:
                hidden = private = layer(hidden, rows)
                yield hidden
                continue
            hidden, private = layer(hidden, rows), self.layers[number - self.first](private, rows)
            share = nn.functional.sigmoid(plain.linear(hidden, self.gate.weight, self.gate.bias))  # [batch*seq 1]
            yield hidden + share * (private - hidden)
