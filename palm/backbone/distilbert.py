"""DistilBERT (arXiv:1910.01108): BERT's encoder without segments and pooler, under names of its own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, final

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.interface import ENCODER_OUTPUTS, ONE_SEGMENT_INPUTS
from palm.backbone.shapes import EncoderForm, Shape, encoder_shapes
from palm.schema.fields import BackboneFields
from palm.spec import Specs

if TYPE_CHECKING:
    from paddle import nn

_FORM = EncoderForm(segments=False, pooler="relu")
THEIR_KEYS: Mapping[str, str] = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}
"""PALM's key → that of DistilBERT's config.json."""


@final
class DistilBertConfig(BackboneFields):
    """Keys of the backbone `distilbert`."""


@final
@BACKBONES.register("distilbert")
class DistilBert(Backbone):
    """DistilBERT's encoder. Its pooler is the `pre_classifier` of transformers' classifiers (relu), or new."""

    Config: ClassVar[type[BackboneFields]] = DistilBertConfig
    model_types: ClassVar[tuple[str, ...]] = ("distilbert",)

    @classmethod
    def own_keys(cls, config: Mapping[str, object]) -> dict[str, object]:
        return {key: config[theirs] for key, theirs in THEIR_KEYS.items() if theirs in config}

    def inputs_attr(self) -> Specs:
        return ONE_SEGMENT_INPUTS

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        return encoder_shapes(self.config, _FORM)

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.encoder import TransformerEncoder

        return TransformerEncoder(self.config, form=_FORM)
