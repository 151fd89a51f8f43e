"""The masked language model head: what stands between the encoder and the word embeddings."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from palm.schema.fields import BackboneFields

if TYPE_CHECKING:
    from paddle import Tensor, nn

MLM_HEAD = "mlm."
"""Beginning of the names of its pre-trained weights."""


def build_mlm_head(backbone: BackboneFields, initializer_range: float, *, decoder: bool = True) -> "nn.Layer":
    """`transform` (linear), `activation`, `layer_norm`, and the parameter `bias` [vocab], as `mlm_head` tells.

    Args:
        backbone: The encoder's config.
        initializer_range: Standard deviation of the initial weights.
        decoder: Whether the vocabulary is scored, which has the `bias`.
    """
    from paddle import ParamAttr, nn

    form = backbone.mlm_head()
    activations: dict[str, Callable[[], nn.Layer]] = {
        "gelu": nn.GELU, "gelu_new": partial(nn.GELU, True), "relu": nn.ReLU, "tanh": nn.Tanh,
    }  # fmt: skip
    weight = ParamAttr(initializer=nn.initializer.Normal(0.0, initializer_range))
    layers = nn.Layer()
    layers.transform = nn.Linear(
        backbone.hidden_size, form.width, weight_attr=weight, bias_attr=None if form.transform_bias else False
    )
    layers.activation = activations[form.activation]()
    layers.layer_norm = nn.LayerNorm(
        form.width, epsilon=backbone.layer_norm_eps, bias_attr=None if form.norm_bias else False
    )
    if form.decoder_bias and decoder:
        layers.bias = layers.create_parameter([backbone.vocab_size], is_bias=True)
    return layers


def transformed(layers: "nn.Layer", masked: "Tensor") -> "Tensor":
    """What is multiplied by the word embeddings: [mask hidden] → [mask emb]."""
    features: Tensor = layers.layer_norm(layers.activation(layers.transform(masked)))
    return features


def token_scores(layers: "nn.Layer", features: "Tensor", table: "Tensor") -> "Tensor":
    """The logits of all tokens: [mask emb] and the word embeddings [vocab emb] → [mask vocab]."""
    from palm.kernels.dense import vocabulary_scores

    scores = vocabulary_scores(features, table)
    bias = getattr(layers, "bias", None)
    return scores if bias is None else scores + bias
