"""BERT (arXiv:1810.04805), and encoders with the same layout: MiniLM, Chinese RoBERTa-wwm, multilingual E5."""

from typing import TYPE_CHECKING, ClassVar, final

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.interface import ENCODER_INPUTS, ENCODER_OUTPUTS
from palm.backbone.other_settings import ENCODER_SETTINGS, Settings
from palm.backbone.shapes import Shape, encoder_shapes
from palm.schema.fields import BackboneFields
from palm.spec import Specs

if TYPE_CHECKING:
    from paddle import nn


@final
class BertConfig(BackboneFields):
    """Keys of the backbone `bert`."""


@final
@BACKBONES.register("bert")
class Bert(Backbone):
    """BERT's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = BertConfig
    model_types: ClassVar[tuple[str, ...]] = ("bert",)
    also_reads: ClassVar[tuple[str, ...]] = ("ernie",)
    settings: ClassVar[Settings] = {**ENCODER_SETTINGS, "use_task_id": (False,)}

    def inputs_attr(self) -> Specs:
        return ENCODER_INPUTS

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        return encoder_shapes(self.config)

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.encoder import TransformerEncoder

        return TransformerEncoder(self.config)
