"""An encoder during conversion: its tensors under PALM's names, its config, and data that only its origin has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from palm.errors import CheckpointError
from palm.paradigm.base import TransformersHead
from palm.schema.fields import BackboneFields

ArraysByName = dict[str, np.ndarray]

POSITIONS = "embeddings.position_embeddings.weight"
SEGMENTS = "embeddings.token_type_embeddings.weight"


@dataclass(frozen=True)
class PretrainedHead:
    """A linear head that also exists in transformers.

    Attributes:
        paradigm: Name of PALM's paradigm.
        form: Its form in transformers.
        weight: `[hidden class]`.
        bias: `[class]`.
        labels: Label names by id; empty if there are none.
    """

    paradigm: str
    form: TransformersHead
    weight: np.ndarray
    bias: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """The information needed to write a Hugging Face folder in its original form.

    Attributes:
        config: Its config.json, as text.
        names: Name of each tensor → PALM's name, with separate queries, keys and values; None if PALM has none.
        other: The tensors that have no name in PALM, and dropped rows of tables.
    """

    config: str
    names: Mapping[str, str | None]
    other: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PretrainedEncoder:
    """A model during conversion.

    Attributes:
        backbone: The name of PALM's backbone.
        backbone_config: Its config.
        tensors: Those of the encoder, and of the masked-language-model head under `mlm.*`; dense weights `[in out]`.
        files: Files to copy unchanged, by name: the vocabulary and the tokenizer's files.
        origin: Its origin, if that was a Hugging Face folder.
        head: A head to convert with it.
        left_out: Names of tensors that do not exist in PALM.
    """

    backbone: str
    backbone_config: BackboneFields
    tensors: ArraysByName
    files: Mapping[str, Path]
    origin: Origin | None = None
    head: PretrainedHead | None = None
    left_out: tuple[str, ...] = field(default=())


def split_qkv(tensors: Mapping[str, np.ndarray]) -> ArraysByName:
    """Tensors with separate queries, keys and values, as in other libraries.

    Raises:
        CheckpointError: A fused tensor is not divisible into three.
    """
    separate: ArraysByName = {}
    for name, array in tensors.items():
        stem, fused, kind = name.partition(".qkv.")
        if not fused:
            separate[name] = array
            continue
        if not array.ndim or array.shape[-1] % 3:
            rule = f"`{name}` holds queries, keys and values side by side."
            raise CheckpointError(f"{rule} Found the shape {list(array.shape)}. Use another copy of the weights.")
        for part, piece in zip(("query", "key", "value"), np.split(array, 3, axis=-1), strict=True):
            separate[f"{stem}.{part}.{kind}"] = piece
    return separate
