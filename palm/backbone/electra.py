"""ELECTRA (arXiv:2003.10555), the discriminator: BERT's encoder, in the small model behind narrower embeddings."""

from typing import ClassVar, final

from pydantic import Field

from palm.backbone.base import BACKBONES
from palm.backbone.bert import BertLikeBackbone
from palm.backbone.shapes import EncoderForm
from palm.backbone.transformers_form import BERT_NAMES, TWO_LAYERS, Rules, TransformersForm
from palm.schema.fields import BackboneFields, Int, MlmHead

_NAMES: Rules = (*BERT_NAMES, (r"embeddings\.projection\.(\w+)", r"embeddings_project.\1"))
_MLM = ("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias")


@final
class ElectraConfig(BackboneFields):
    """Keys of the backbone `electra`."""

    embedding_size: Int | None = Field(None, ge=1, description="Width of the embeddings; hidden_size by default.")

    def mlm_head(self) -> MlmHead:
        return MlmHead(self.embedding_width, self.hidden_act)

    @property
    def embedding_width(self) -> int:
        """Width of the embeddings."""
        return self.embedding_size or self.hidden_size


@final
@BACKBONES.register("electra")
class Electra(BertLikeBackbone):
    """ELECTRA's encoder. It has no pooler: that of a head is new, with the activation of transformers' heads (gelu)."""

    Config: ClassVar[type[BackboneFields]] = ElectraConfig
    model_types: ClassVar[tuple[str, ...]] = ("electra",)
    transformers: ClassVar[TransformersForm | None] = TransformersForm(
        "Electra", _NAMES, _MLM, pooler=False, classifier=TWO_LAYERS
    )
    config: ElectraConfig

    @classmethod
    def their_keys(cls, config: BackboneFields) -> dict[str, object]:
        return {"embedding_size": config.mlm_head().width}

    def form(self) -> EncoderForm:
        width = self.config.embedding_width
        return EncoderForm(embedding_size=None if width == self.config.hidden_size else width, pooler="gelu")
