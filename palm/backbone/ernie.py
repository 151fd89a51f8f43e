"""ERNIE 1.0, 2.0 and 3.0 (arXiv:1904.09223, 1907.12412): BERT's encoder with task ids."""

from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.interface import ENCODER_INPUTS, ENCODER_OUTPUTS, TASK_IDS
from palm.backbone.shapes import EncoderForm, Shape, encoder_shapes
from palm.schema.fields import BackboneFields, Int
from palm.spec import Specs

if TYPE_CHECKING:
    from paddle import nn


@final
class ErnieConfig(BackboneFields):
    """Keys of the backbone `ernie`."""

    use_task_id: bool = Field(True, description="Add an embedding of the task id, as ERNIE 2.0 and 3.0 do.")
    task_type_vocab_size: Int = Field(3, ge=1, description="Number of task ids: 3 or 16 in published models.")


@final
@BACKBONES.register("ernie")
class Ernie(Backbone):
    """ERNIE's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = ErnieConfig
    model_types: ClassVar[tuple[str, ...]] = ("ernie",)
    also_reads: ClassVar[tuple[str, ...]] = ("bert",)
    known_by: ClassVar[str | None] = "embeddings.task_type_embeddings.weight"
    config: ErnieConfig

    def inputs_attr(self) -> Specs:
        return {**ENCODER_INPUTS, **TASK_IDS} if self.config.use_task_id else ENCODER_INPUTS

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        return encoder_shapes(self.config, self._form())

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.encoder import TransformerEncoder

        return TransformerEncoder(self.config, form=self._form())

    def _form(self) -> EncoderForm:
        return EncoderForm(task_types=self.config.task_type_vocab_size if self.config.use_task_id else 0)
