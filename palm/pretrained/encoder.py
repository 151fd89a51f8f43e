"""An encoder between two forms: its tensors under PALM's names, its sizes, and what only its origin has a name for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from palm.paradigm.base import TransformersHead
from palm.schema.fields import BackboneFields

ArraysByName = dict[str, np.ndarray]

POSITIONS = "embeddings.position_embeddings.weight"
SEGMENTS = "embeddings.token_type_embeddings.weight"

# Models of transformers that count positions from pad_token_id + 1, and have one segment.
LATE_POSITIONS = ("roberta", "xlm-roberta", "camembert")


@dataclass(frozen=True)
class PretrainedHead:
    """A linear head that transformers has too.

    Attributes:
        paradigm: Name of PALM's paradigm.
        form: What it is in transformers.
        weight: `[hidden class]`.
        bias: `[class]`.
        labels: Label names by id; empty where there are none.
    """

    paradigm: str
    form: TransformersHead
    weight: np.ndarray
    bias: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """What it takes to write a Hugging Face folder as it came.

    Attributes:
        config: Its config.json, as text.
        names: Each tensor's name → PALM's name, queries, keys and values apart; None for one that PALM has no name for.
        other: The tensors that PALM has no name for, and rows of tables that it has no place for.
    """

    config: str
    names: Mapping[str, str | None]
    other: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PretrainedEncoder:
    """A model between two forms.

    Attributes:
        backbone: PALM's backbone: `bert` or `ernie`.
        backbone_config: Its keys.
        tensors: The encoder's, and those of the masked-language-model head under `mlm.*`; dense weights `[in out]`.
        files: Files to copy as they are, by name: the vocabulary and what belongs to the tokenizer.
        origin: Where it came from, if that was a Hugging Face folder.
        head: A head that goes along.
        left_out: Names of tensors that have no place in PALM.
    """

    backbone: str
    backbone_config: BackboneFields
    tensors: ArraysByName
    files: Mapping[str, Path]
    origin: Origin | None = None
    head: PretrainedHead | None = None
    left_out: tuple[str, ...] = field(default=())


def split_qkv(tensors: Mapping[str, np.ndarray]) -> ArraysByName:
    """Queries, keys and values apart, as everybody else has them."""
    apart: ArraysByName = {}
    for name, array in tensors.items():
        stem, joined, kind = name.partition(".qkv.")
        if not joined:
            apart[name] = array
            continue
        for part, piece in zip(("query", "key", "value"), np.split(array, 3, axis=-1), strict=True):
            apart[f"{stem}.{part}.{kind}"] = piece
    return apart
