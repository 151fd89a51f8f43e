"""ALBERT (arXiv:1909.11942): BERT's encoder with narrow embeddings and one layer that all depths share."""

from typing import ClassVar, final

from pydantic import Field, model_validator

from palm.backbone.base import BACKBONES
from palm.backbone.bert import BertLikeBackbone
from palm.backbone.other_settings import ENCODER_SETTINGS, Settings
from palm.backbone.shapes import EncoderForm
from palm.backbone.transformers_form import EMBEDDING_NAMES, Rules, TransformersForm
from palm.schema.fields import BackboneFields, Int, MlmHead

_GROUP = r"encoder.albert_layer_groups.\1.albert_layers.0"
_NAMES: Rules = (
    *EMBEDDING_NAMES,
    (r"embeddings\.projection\.(\w+)", r"encoder.embedding_hidden_mapping_in.\1"),
    (r"encoder\.groups\.(\d+)\.attention\.(query|key|value)\.(\w+)", rf"{_GROUP}.attention.\2.\3"),
    (r"encoder\.groups\.(\d+)\.attention\.output\.(\w+)", rf"{_GROUP}.attention.dense.\2"),
    (r"encoder\.groups\.(\d+)\.attention\.layer_norm\.(\w+)", rf"{_GROUP}.attention.LayerNorm.\2"),
    (r"encoder\.groups\.(\d+)\.ffn\.intermediate\.(\w+)", rf"{_GROUP}.ffn.\2"),
    (r"encoder\.groups\.(\d+)\.ffn\.output\.(\w+)", rf"{_GROUP}.ffn_output.\2"),
    (r"encoder\.groups\.(\d+)\.ffn\.layer_norm\.(\w+)", rf"{_GROUP}.full_layer_layer_norm.\2"),
    (r"pooler\.dense\.(\w+)", r"pooler.\1"),
)
_MLM = ("predictions.dense", "predictions.LayerNorm", "predictions.bias")


@final
class AlbertConfig(BackboneFields):
    """Keys of the backbone `albert`."""

    embedding_size: Int | None = Field(128, ge=1, description="Width of the embeddings.")
    num_hidden_groups: Int = Field(1, ge=1, description="Number of different layers; each computes as many depths.")

    @model_validator(mode="after")
    def _check_groups(self) -> "AlbertConfig":
        if self.num_hidden_groups > self.num_hidden_layers:
            raise ValueError("num_hidden_groups is at most num_hidden_layers")
        return self

    def mlm_head(self) -> MlmHead:
        return MlmHead(self.embedding_width, self.hidden_act)

    @property
    def embedding_width(self) -> int:
        """Width of the embeddings."""
        return self.embedding_size or self.hidden_size


@final
@BACKBONES.register("albert")
class Albert(BertLikeBackbone):
    """ALBERT's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = AlbertConfig
    model_types: ClassVar[tuple[str, ...]] = ("albert",)
    transformers: ClassVar[TransformersForm | None] = TransformersForm("Albert", _NAMES, _MLM)
    settings: ClassVar[Settings] = {**ENCODER_SETTINGS, "inner_group_num": (1,)}
    config: AlbertConfig

    @property
    def layers_share_parameters(self) -> bool:
        return self.config.num_hidden_groups < self.config.num_hidden_layers

    def form(self) -> EncoderForm:
        return EncoderForm(embedding_size=self.config.embedding_width, groups=self.config.num_hidden_groups)
