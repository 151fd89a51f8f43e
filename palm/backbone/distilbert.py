"""DistilBERT (arXiv:1910.01108): BERT's encoder without segments and pooler, under names of its own."""

from collections.abc import Mapping
from typing import ClassVar, final

from palm.backbone.base import BACKBONES
from palm.backbone.bert import BertLikeBackbone
from palm.backbone.shapes import EncoderForm
from palm.backbone.transformers_form import EMBEDDING_NAMES, Rules, TransformersForm
from palm.errors import CheckpointError
from palm.schema.fields import BackboneFields

_FORM = EncoderForm(segments=False, pooler="relu")
_NAMES: Rules = (
    *EMBEDDING_NAMES,
    (r"encoder\.layers\.(\d+)\.attention\.(q|k|v)\w+\.(weight|bias)", r"transformer.layer.\1.attention.\2_lin.\3"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"transformer.layer.\1.attention.out_lin.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)", r"transformer.layer.\1.sa_layer_norm.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.intermediate\.(\w+)", r"transformer.layer.\1.ffn.lin1.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.output\.(\w+)", r"transformer.layer.\1.ffn.lin2.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.layer_norm\.(\w+)", r"transformer.layer.\1.output_layer_norm.\2"),
)
_MLM = ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias")
_THEIR_KEYS: Mapping[str, str] = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}
"""PALM's key → that of DistilBERT's config.json."""
_EPSILON = 1e-12  # its code has it instead of a key


@final
class DistilBertConfig(BackboneFields):
    """Keys of the backbone `distilbert`."""


@final
@BACKBONES.register("distilbert")
class DistilBert(BertLikeBackbone):
    """DistilBERT's encoder. Its pooler is the `pre_classifier` of transformers' classifiers (relu), or new."""

    Config: ClassVar[type[BackboneFields]] = DistilBertConfig
    model_types: ClassVar[tuple[str, ...]] = ("distilbert",)
    transformers: ClassVar[TransformersForm | None] = TransformersForm(
        "DistilBert", _NAMES, _MLM, pooler=False, classifier=("pre_classifier", "classifier")
    )

    @classmethod
    def own_keys(cls, config: Mapping[str, object]) -> dict[str, object]:
        return {key: config[theirs] for key, theirs in _THEIR_KEYS.items() if theirs in config}

    @classmethod
    def their_keys(cls, config: BackboneFields) -> dict[str, object]:
        if config.layer_norm_eps != _EPSILON:
            rule = f"transformers computes DistilBERT with a layer_norm_eps of {_EPSILON}."
            raise CheckpointError(f"{rule} Found {config.layer_norm_eps}. Convert to a PALM folder: `--to palm`.")
        keys = {**config.model_dump(include=set(_THEIR_KEYS)), "intermediate_size": config.inner_size}
        return {
            **dict.fromkeys((*keys, "type_vocab_size", "layer_norm_eps")),
            **{_THEIR_KEYS[key]: keys[key] for key in keys},
        }

    def form(self) -> EncoderForm:
        return _FORM
