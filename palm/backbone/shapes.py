"""The form of an encoder and the shapes of its parameters: weights are compared before memory is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from palm.errors import CheckpointError
from palm.schema.fields import BackboneFields

Shape = tuple[int, ...]


@dataclass(frozen=True)
class EncoderForm:
    """What tells the encoders of `palm.backbone.encoder.TransformerEncoder` from BERT's.

    Attributes:
        task_types: Number of task ids; 0 without them.
        segments: Whether it has segment embeddings.
        segment_inputs: Whether a batch says the segments; otherwise all tokens are of the first one.
        embedding_size: Width of the embeddings that a projection brings to the encoder's; None without projection.
        buckets: Number of buckets of relative positions, each with a bias of attention scores per head; 0 without.
        groups: Number of different layers, which the encoder runs through in its depth; None: each layer its own.
        pooler: Activation of the pooler.
    """

    task_types: int = 0
    segments: bool = True
    segment_inputs: bool = True
    embedding_size: int | None = None
    buckets: int = 0
    groups: int | None = None
    pooler: Literal["tanh", "gelu", "relu"] = "tanh"


BERT_FORM = EncoderForm()


def encoder_shapes(config: BackboneFields, form: EncoderForm = BERT_FORM) -> dict[str, Shape]:
    """Name and shape of each parameter of `palm.backbone.encoder.TransformerEncoder`."""
    hidden, width = config.hidden_size, form.embedding_size or config.hidden_size
    shapes: dict[str, Shape] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, width),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, width),
    }
    if form.segments:
        shapes["embeddings.token_type_embeddings.weight"] = (config.type_vocab_size, width)
    if form.task_types:
        shapes["embeddings.task_type_embeddings.weight"] = (form.task_types, width)
    shapes |= _norm("embeddings.layer_norm", width)
    if form.embedding_size:
        shapes |= _linear("embeddings.projection", width, hidden)
    if form.buckets:
        shapes["embeddings.relative_attention_bias.weight"] = (form.buckets, config.num_attention_heads)
    name, count = ("layers", config.num_hidden_layers) if form.groups is None else ("groups", form.groups)
    for number in range(count):
        shapes |= _layer(f"encoder.{name}.{number}", config)
    return shapes | _linear("pooler.dense", hidden, hidden)


def check_shapes(
    found: Mapping[str, Shape], expected: Mapping[str, Shape], *, where: str, partial: bool = False
) -> None:
    """Compare the shapes of an encoder's weights with those that its keys ask for.

    Args:
        found: Shapes of the weights, by parameter.
        expected: What `Backbone.shapes` gives; where that is empty nothing is compared.
        where: The file of the weights, for messages.
        partial: Whether parameters may be missing, and others be there.

    Raises:
        CheckpointError: Naming the first parameter that differs.
    """
    names = expected.keys() & found.keys() if partial else expected.keys() | found.keys()
    different = [name for name in sorted(names) if expected.get(name) != found.get(name)]
    if expected and different:
        shape, wanted = found.get(different[0]), expected.get(different[0])
        rule = "the weights must have the shapes that config.json implies."
        difference = f"{_spelled(shape)} here and {_spelled(wanted)} there"
        raise CheckpointError(
            f"{where}: {rule} Found `{different[0]}`: {difference}. Use the config.json of these weights."
        )


def _spelled(shape: Shape | None) -> str:
    return "nothing" if shape is None else str(list(shape))


def _layer(name: str, config: BackboneFields) -> dict[str, Shape]:
    width, inner = config.hidden_size, config.intermediate_size or 4 * config.hidden_size
    return {
        **_linear(f"{name}.attention.qkv", width, 3 * width),
        **_linear(f"{name}.attention.output", width, width),
        **_norm(f"{name}.attention.layer_norm", width),
        **_linear(f"{name}.ffn.intermediate", width, inner),
        **_linear(f"{name}.ffn.output", inner, width),
        **_norm(f"{name}.ffn.layer_norm", width),
    }


def _linear(name: str, width: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (width, outputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, Shape]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
