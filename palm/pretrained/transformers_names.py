"""What transformers calls the encoders that PALM trains, their weights and their keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from palm.pretrained import deberta_names, modernbert_names


@dataclass(frozen=True)
class TransformersNames:
    """The names of one architecture in transformers.

    Attributes:
        model_type: As in its config.json.
        class_stem: Its class without the ending: `Bert`.
        prefix: Of the encoder's weights in a model with a head, where they have BERT's names.
        rules: PALM's name and theirs, with any prefix; they come before BERT's.
        keys: From PALM's keys to those of its config.json.
        heads: Endings of the classes whose linear layer reads what PALM's head reads; None for all.
    """

    model_type: str
    class_stem: str
    prefix: str
    rules: tuple[tuple[str, str], ...] = ()
    keys: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
    heads: tuple[str, ...] | None = None


_OTHERS: Mapping[str, TransformersNames] = MappingProxyType(
    {
        "modernbert": TransformersNames(
            "modernbert",
            "ModernBert",
            "",
            modernbert_names.BACK,
            modernbert_names.config_keys,
            ("ForSequenceClassification", "ForMaskedLM"),
        ),
        "deberta": TransformersNames(
            "deberta-v2",
            "DebertaV2",
            "",
            deberta_names.BACK,
            deberta_names.config_keys,
        ),
    }
)


def transformers_names(backbone: str) -> TransformersNames:
    """The names of PALM's backbone; by default it is called the same in transformers, with BERT's names."""
    usual = TransformersNames(backbone, backbone.capitalize(), f"{backbone}.")
    return _OTHERS.get(backbone, usual)
