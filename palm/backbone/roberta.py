"""RoBERTa (arXiv:1907.11692), XLM-R and CamemBERT: BERT's encoder with one segment, positions behind padding's."""

from collections.abc import Mapping
from typing import ClassVar, final

from pydantic import Field

from palm.backbone.base import BACKBONES
from palm.backbone.bert import BertLikeBackbone
from palm.backbone.positions import keys_from_zero
from palm.backbone.shapes import EncoderForm
from palm.backbone.transformers_form import ROBERTA_MLM, TWO_LAYERS, TransformersForm
from palm.schema.fields import BackboneFields, Int

_FORM = EncoderForm(segment_inputs=False)


@final
class RobertaConfig(BackboneFields):
    """Keys of the backbone `roberta`."""

    type_vocab_size: Int = Field(1, ge=0, description="Rows of the segment table, of which the first is added.")
    pad_token_id: Int = Field(
        1, ge=0, description="Id of padding; in transformers positions start behind it, and so does `palm convert`."
    )


@final
@BACKBONES.register("roberta")
class Roberta(BertLikeBackbone):
    """RoBERTa's encoder with its pooler; segment ids are ignored, as in transformers' tokenizers of these models."""

    Config: ClassVar[type[BackboneFields]] = RobertaConfig
    model_types: ClassVar[tuple[str, ...]] = ("roberta", "xlm-roberta", "camembert")
    transformers: ClassVar[TransformersForm | None] = TransformersForm(
        "Roberta", mlm=ROBERTA_MLM, classifier=TWO_LAYERS
    )
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

    def form(self) -> EncoderForm:
        return _FORM
