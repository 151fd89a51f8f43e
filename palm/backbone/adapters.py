"""Task-specific parts of the shared encoder: adapters, LoRA, private bottlenecks, or whole layers.

Each belongs to a head and is exported with it. Initially it changes nothing: the output of a new part is zero, and
layers start as copies of the shared ones.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Protocol

import paddle
from paddle import ParamAttr, Tensor, nn

from palm.backbone.encoder import BuildLayer
from palm.backbone.task_layers import OwnLayers, PrivateStack
from palm.kernels import plain
from palm.kernels.contract import Rows
from palm.schema.fields import BackboneFields, ParadigmFields


class EncoderLayerCall(Protocol):
    """Computes the next hidden states [batch*seq hidden], with `added` [hidden 3*hidden] on the qkv weight."""

    def __call__(self, hidden: Tensor, rows: Rows, added: Tensor | None = None) -> Tensor:
        """Compute it."""
        ...


class Bottleneck(nn.Layer):
    """`up(gelu(down(x)))`, zero at initialization."""

    def __init__(self, config: BackboneFields, size: int) -> None:
        super().__init__()
        self.down = nn.Linear(config.hidden_size, size, weight_attr=_normal(config))
        self.up = nn.Linear(size, config.hidden_size, weight_attr=_constant(0.0))

    def forward(self, hidden: Tensor) -> Tensor:
        """[batch*seq hidden] → the same."""
        inner = nn.functional.gelu(plain.linear(hidden, self.down.weight, self.down.bias))
        return plain.linear(inner, self.up.weight, self.up.bias)


class Adapter(nn.Layer):
    """A bottleneck with a residual connection after the shared layer.

    Source: Houlsby et al., arXiv:1902.00751; one per layer, as in Pfeiffer et al., arXiv:2005.00247.
    """

    def __init__(self, config: BackboneFields, size: int) -> None:
        super().__init__()
        self.bottleneck = Bottleneck(config, size)

    def forward(self, layer: EncoderLayerCall, hidden: Tensor, rows: Rows) -> Tensor:
        """The adapted output of `layer`."""
        shared = layer(hidden, rows)
        adapted: Tensor = shared + self.bottleneck(shared)
        return adapted


class LowRank(nn.Layer):
    """LoRA: a product of two low-rank matrices, added to the weights of queries and of values.

    Source: arXiv:2106.09685, section 4, with alpha equal to the rank.
    """

    def __init__(self, config: BackboneFields, size: int) -> None:
        super().__init__()
        self.query_down = nn.Linear(config.hidden_size, size, weight_attr=_normal(config), bias_attr=False)
        self.query_up = nn.Linear(size, config.hidden_size, weight_attr=_constant(0.0), bias_attr=False)
        self.value_down = nn.Linear(config.hidden_size, size, weight_attr=_normal(config), bias_attr=False)
        self.value_up = nn.Linear(size, config.hidden_size, weight_attr=_constant(0.0), bias_attr=False)

    def forward(self, layer: EncoderLayerCall, hidden: Tensor, rows: Rows) -> Tensor:
        """The output of `layer` with the products added to its weights."""
        query = self.query_down.weight @ self.query_up.weight
        value = self.value_down.weight @ self.value_up.weight
        return layer(hidden, rows, paddle.concat([query, paddle.zeros_like(query), value], axis=1))


class Private(nn.Layer):
    """A private bottleneck beside the shared layer, weighted per token by a gate.

    The shared-private model of arXiv:1704.05742 in the size of an adapter: `shared(x) + σ(gate · x) · bottleneck(x)`.
    """

    def __init__(self, config: BackboneFields, size: int) -> None:
        super().__init__()
        self.bottleneck = Bottleneck(config, size)
        self.gate = nn.Linear(config.hidden_size, 1, weight_attr=_normal(config))

    def forward(self, layer: EncoderLayerCall, hidden: Tensor, rows: Rows) -> Tensor:
        """The combined outputs of `layer` and the bottleneck for the same input."""
        gate = nn.functional.sigmoid(plain.linear(hidden, self.gate.weight, self.gate.bias))  # [batch*seq 1]
        both: Tensor = layer(hidden, rows) + gate * self.bottleneck(hidden)
        return both


class PartsAround(nn.LayerList):
    """One task-specific part per layer of the shared encoder."""

    PADDED: ClassVar[bool] = False

    def outputs(self, layers: Sequence[nn.Layer], hidden: Tensor, rows: Rows) -> Iterator[Tensor]:
        """Yield the head's hidden states after each of the shared encoder's lowest `layers`: [batch*seq hidden]."""
        for part, layer in zip(self.children(), layers, strict=False):
            hidden = part(layer, hidden, rows)
            yield hidden


_KINDS: dict[str, tuple[Callable[[BackboneFields, int], nn.Layer], int]] = {
    "adapter": (Adapter, 64),
    "lora": (LowRank, 8),
    "private": (Private, 64),
}


def build_parts(settings: ParadigmFields, config: BackboneFields, build_layer: BuildLayer) -> nn.Layer:
    """The parts of a head with the keys `settings`, in an encoder with the config `config`.

    Args:
        settings: Keys of the head.
        config: The backbone's config.
        build_layer: Builds a layer of the encoder, for parts that are copies of layers.
    """
    if settings.sharing in _KINDS:
        build, default_size = _KINDS[settings.sharing]
        size = settings.sharing_size or default_size
        return PartsAround([build(config, size) for _ in range(config.num_hidden_layers)])
    copied = OwnLayers if settings.sharing == "soft" else PrivateStack
    return copied(config, settings.copied_layers(config.num_hidden_layers), build_layer)


def _normal(config: BackboneFields) -> ParamAttr:
    return ParamAttr(initializer=nn.initializer.Normal(0.0, config.initializer_range))


def _constant(value: float) -> ParamAttr:
    return ParamAttr(initializer=nn.initializer.Constant(value))
