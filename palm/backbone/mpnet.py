"""MPNet (arXiv:2004.09297): BERT's encoder without segments, with a bias of relative positions in every attention."""

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

_FIRST_POSITION = 2  # behind a padding id that transformers' code sets to 1


@final
class MpnetConfig(BackboneFields):
    """Keys of the backbone `mpnet`."""

    relative_attention_num_buckets: Int = Field(32, ge=4, description="Buckets of relative positions.")


@final
@BACKBONES.register("mpnet")
class Mpnet(Backbone):
    """MPNet's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = MpnetConfig
    model_types: ClassVar[tuple[str, ...]] = ("mpnet",)
    config: MpnetConfig

    @classmethod
    def own_keys(cls, config: Mapping[str, object]) -> dict[str, object]:
        return keys_from_zero(cls, config)

    @classmethod
    def first_position(cls, config: Mapping[str, object]) -> int:
        return _FIRST_POSITION

    def inputs_attr(self) -> Specs:
        return ONE_SEGMENT_INPUTS

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        return encoder_shapes(self.config, self._form())

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.encoder import TransformerEncoder

        return TransformerEncoder(self.config, form=self._form())

    def _form(self) -> EncoderForm:
        return EncoderForm(segments=False, buckets=self.config.relative_attention_num_buckets)
