"""BERT (arXiv:1810.04805), and encoders with the same layout: MiniLM, Chinese RoBERTa-wwm, multilingual E5."""

from typing import TYPE_CHECKING, ClassVar, final

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.interface import ENCODER_INPUTS, ENCODER_OUTPUTS, ONE_SEGMENT_INPUTS, TASK_IDS
from palm.backbone.other_settings import ENCODER_SETTINGS, Settings
from palm.backbone.shapes import BERT_FORM, EncoderForm, Shape, encoder_shapes
from palm.backbone.transformers_form import TransformersForm
from palm.schema.fields import BackboneFields
from palm.spec import Specs

if TYPE_CHECKING:
    from paddle import nn


class BertLikeBackbone(Backbone):
    """An encoder of BERT's layers: what `palm.backbone.encoder.TransformerEncoder` computes, by its `form`."""

    takes_prefix: ClassVar[bool] = True

    def form(self) -> EncoderForm:
        """What differs from BERT."""
        return BERT_FORM

    def inputs_attr(self) -> Specs:
        form = self.form()
        inputs = ENCODER_INPUTS if form.segments and form.segment_inputs else ONE_SEGMENT_INPUTS
        return {**inputs, **TASK_IDS} if form.task_types else inputs

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        return encoder_shapes(self.config, self.form())

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.encoder import TransformerEncoder

        return TransformerEncoder(self.config, form=self.form())


@final
class BertConfig(BackboneFields):
    """Keys of the backbone `bert`."""


@final
@BACKBONES.register("bert")
class Bert(BertLikeBackbone):
    """BERT's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = BertConfig
    model_types: ClassVar[tuple[str, ...]] = ("bert",)
    also_reads: ClassVar[tuple[str, ...]] = ("ernie",)
    transformers: ClassVar[TransformersForm | None] = TransformersForm("Bert")
    settings: ClassVar[Settings] = {**ENCODER_SETTINGS, "use_task_id": (False,)}
