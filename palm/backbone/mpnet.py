"""MPNet (arXiv:2004.09297): BERT's encoder without segments, with a bias of relative positions in every attention."""

from collections.abc import Mapping
from typing import ClassVar, final

from pydantic import Field

from palm.backbone.base import BACKBONES
from palm.backbone.bert import BertLikeBackbone
from palm.backbone.positions import keys_from_zero
from palm.backbone.shapes import EncoderForm
from palm.backbone.transformers_form import (
    EMBEDDING_NAMES,
    FEED_FORWARD_NAMES,
    ROBERTA_MLM,
    TWO_LAYERS,
    Rules,
    TransformersForm,
)
from palm.schema.fields import BackboneFields, Int

_FIRST_POSITION = 2  # behind a padding id that transformers' code sets to 1
_NAMES: Rules = (
    *EMBEDDING_NAMES,
    (r"encoder\.layers\.(\d+)\.attention\.(q|k|v)\w+\.(weight|bias)", r"encoder.layer.\1.attention.attn.\2.\3"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"encoder.layer.\1.attention.attn.o.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)", r"encoder.layer.\1.attention.LayerNorm.\2"),
    *FEED_FORWARD_NAMES,
    (r"embeddings\.relative_attention_bias\.weight", r"encoder.relative_attention_bias.weight"),
)


@final
class MpnetConfig(BackboneFields):
    """Keys of the backbone `mpnet`."""

    relative_attention_num_buckets: Int = Field(32, ge=4, description="Buckets of relative positions.")


@final
@BACKBONES.register("mpnet")
class Mpnet(BertLikeBackbone):
    """MPNet's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = MpnetConfig
    model_types: ClassVar[tuple[str, ...]] = ("mpnet",)
    transformers: ClassVar[TransformersForm | None] = TransformersForm(
        "MPNet", _NAMES, ROBERTA_MLM, classifier=TWO_LAYERS
    )
    config: MpnetConfig

    @classmethod
    def own_keys(cls, config: Mapping[str, object]) -> dict[str, object]:
        return keys_from_zero(cls, config)

    @classmethod
    def first_position(cls, config: Mapping[str, object]) -> int:
        return _FIRST_POSITION

    def form(self) -> EncoderForm:
        return EncoderForm(segments=False, buckets=self.config.relative_attention_num_buckets)
