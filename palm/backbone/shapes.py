"""Shapes of the encoder's parameters, told by its keys alone: weights are compared before memory is taken."""

from collections.abc import Mapping

from palm.errors import CheckpointError
from palm.schema.fields import BackboneFields

Shape = tuple[int, ...]


def encoder_shapes(config: BackboneFields, *, task_types: int = 0) -> dict[str, Shape]:
    """Name and shape of each parameter of `palm.backbone.encoder.TransformerEncoder`.

    Args:
        config: The encoder's sizes.
        task_types: Number of task ids; 0 for a backbone without them.
    """
    width = config.hidden_size
    shapes: dict[str, Shape] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, width),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, width),
    }
    if config.type_vocab_size:
        shapes["embeddings.token_type_embeddings.weight"] = (config.type_vocab_size, width)
    if task_types:
        shapes["embeddings.task_type_embeddings.weight"] = (task_types, width)
    shapes |= norm_shapes("embeddings.layer_norm", width)
    for number in range(config.num_hidden_layers):
        shapes |= _layer(f"encoder.layers.{number}", config)
    return shapes | linear_shapes("pooler.dense", width, width)


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
        **linear_shapes(f"{name}.attention.qkv", width, 3 * width),
        **linear_shapes(f"{name}.attention.output", width, width),
        **norm_shapes(f"{name}.attention.layer_norm", width),
        **linear_shapes(f"{name}.ffn.intermediate", width, inner),
        **linear_shapes(f"{name}.ffn.output", inner, width),
        **norm_shapes(f"{name}.ffn.layer_norm", width),
    }


def linear_shapes(name: str, width: int, outputs: int, *, bias: bool = True) -> dict[str, Shape]:
    """Parameters of a linear map."""
    shapes: dict[str, Shape] = {f"{name}.weight": (width, outputs)}
    return shapes | ({f"{name}.bias": (outputs,)} if bias else {})


def norm_shapes(name: str, width: int, *, bias: bool = True) -> dict[str, Shape]:
    """Parameters of layer normalisation."""
    shapes: dict[str, Shape] = {f"{name}.weight": (width,)}
    return shapes | ({f"{name}.bias": (width,)} if bias else {})
