"""ELECTRA (arXiv:2003.10555), the discriminator: BERT's encoder, in the small model behind narrower embeddings."""

from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.interface import ENCODER_INPUTS, ENCODER_OUTPUTS
from palm.backbone.shapes import EncoderForm, Shape, encoder_shapes
from palm.schema.fields import BackboneFields, Int
from palm.spec import Specs

if TYPE_CHECKING:
    from paddle import nn


@final
class ElectraConfig(BackboneFields):
    """Keys of the backbone `electra`."""

    embedding_size: Int | None = Field(None, ge=1, description="Width of the embeddings; hidden_size by default.")

    @property
    def embedding_width(self) -> int:
        return self.embedding_size or self.hidden_size


@final
@BACKBONES.register("electra")
class Electra(Backbone):
    """ELECTRA's encoder. It has no pooler: that of a head is new, with the activation of transformers' heads (gelu)."""

    Config: ClassVar[type[BackboneFields]] = ElectraConfig
    model_types: ClassVar[tuple[str, ...]] = ("electra",)
    config: ElectraConfig

    def inputs_attr(self) -> Specs:
        return ENCODER_INPUTS

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        return encoder_shapes(self.config, self._form())

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.encoder import TransformerEncoder

        return TransformerEncoder(self.config, form=self._form())

    def _form(self) -> EncoderForm:
        width = self.config.embedding_width
        return EncoderForm(embedding_size=None if width == self.config.hidden_size else width, pooler="gelu")
