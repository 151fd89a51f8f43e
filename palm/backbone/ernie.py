"""ERNIE 1.0, 2.0 and 3.0 (arXiv:1904.09223, 1907.12412): BERT's encoder with task ids."""

from typing import ClassVar, final

from pydantic import Field

from palm.backbone.base import BACKBONES
from palm.backbone.bert import BertLikeBackbone
from palm.backbone.shapes import EncoderForm
from palm.backbone.transformers_form import TransformersForm
from palm.schema.fields import BackboneFields, Int


@final
class ErnieConfig(BackboneFields):
    """Keys of the backbone `ernie`."""

    use_task_id: bool = Field(True, description="Add an embedding of the task id, as ERNIE 2.0 and 3.0 do.")
    task_type_vocab_size: Int = Field(3, ge=1, description="Number of task ids: 3 or 16 in published models.")


@final
@BACKBONES.register("ernie")
class Ernie(BertLikeBackbone):
    """ERNIE's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = ErnieConfig
    model_types: ClassVar[tuple[str, ...]] = ("ernie",)
    also_reads: ClassVar[tuple[str, ...]] = ("bert",)
    transformers: ClassVar[TransformersForm | None] = TransformersForm("Ernie")
    known_by: ClassVar[str | None] = "embeddings.task_type_embeddings.weight"
    config: ErnieConfig

    def form(self) -> EncoderForm:
        return EncoderForm(task_types=self.config.task_type_vocab_size if self.config.use_task_id else 0)
