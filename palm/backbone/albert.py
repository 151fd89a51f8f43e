"""ALBERT (arXiv:1909.11942): BERT's encoder with narrow embeddings and one layer that all depths share."""

from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field, model_validator

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.interface import ENCODER_INPUTS, ENCODER_OUTPUTS
from palm.backbone.other_settings import ENCODER_SETTINGS, Settings
from palm.backbone.shapes import EncoderForm, Shape, encoder_shapes
from palm.schema.fields import BackboneFields, Int
from palm.spec import Specs

if TYPE_CHECKING:
    from paddle import nn


@final
class AlbertConfig(BackboneFields):
    """Keys of the backbone `albert`."""

    embedding_size: Int = Field(128, ge=1, description="Width of the embeddings.")
    num_hidden_groups: Int = Field(1, ge=1, description="Number of different layers; each computes as many depths.")

    @model_validator(mode="after")
    def _check_groups(self) -> "AlbertConfig":
        if self.num_hidden_groups > self.num_hidden_layers:
            raise ValueError("num_hidden_groups is at most num_hidden_layers")
        return self

    @property
    def embedding_width(self) -> int:
        return self.embedding_size


@final
@BACKBONES.register("albert")
class Albert(Backbone):
    """ALBERT's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = AlbertConfig
    model_types: ClassVar[tuple[str, ...]] = ("albert",)
    settings: ClassVar[Settings] = {**ENCODER_SETTINGS, "inner_group_num": (1,)}
    config: AlbertConfig

    @property
    def layers_share_parameters(self) -> bool:
        return self.config.num_hidden_groups < self.config.num_hidden_layers

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
        return EncoderForm(embedding_size=self.config.embedding_size, groups=self.config.num_hidden_groups)
