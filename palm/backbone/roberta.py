"""RoBERTa (arXiv:1907.11692), XLM-R and CamemBERT: BERT's encoder with one segment, positions behind padding's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.interface import ENCODER_OUTPUTS, ONE_SEGMENT_INPUTS
from palm.backbone.positions import keys_from_zero
from palm.backbone.shapes import EncoderForm, Shape, encoder_shapes
from palm.schema.fields import BackboneFields, Int
from palm.spec import Specs

if TYPE_CHECKING:
    from paddle import nn

_FORM = EncoderForm(segment_inputs=False)


@final
class RobertaConfig(BackboneFields):
    """Keys of the backbone `roberta`."""

    type_vocab_size: Int = Field(1, ge=1, description="Rows of the segment table, of which the first is added.")
    pad_token_id: Int = Field(
        1, ge=0, description="Id of padding; in transformers positions start behind it, and so does `palm convert`."
    )


@final
@BACKBONES.register("roberta")
class Roberta(Backbone):
    """RoBERTa's encoder with its pooler; segment ids are ignored, as in transformers' tokenizers of these models."""

    Config: ClassVar[type[BackboneFields]] = RobertaConfig
    model_types: ClassVar[tuple[str, ...]] = ("roberta", "xlm-roberta", "camembert")
    config: RobertaConfig

    @classmethod
    def own_keys(cls, config: Mapping[str, object]) -> dict[str, object]:
        return keys_from_zero(cls, config)

    @classmethod
    def first_position(cls, config: Mapping[str, object]) -> int:
        if config.get("cls_token_id") not in (None, 0):  # a Chinese RoBERTa of PaddleNLP, with BERT's positions
            return 0
        pad = config.get("pad_token_id", 1)
        return pad + 1 if type(pad) is int and pad >= 0 else 0

    def inputs_attr(self) -> Specs:
        return ONE_SEGMENT_INPUTS

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        return encoder_shapes(self.config, _FORM)

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.encoder import TransformerEncoder

        return TransformerEncoder(self.config, form=_FORM)
