"""DeBERTa v2 and v3 (arXiv:2006.03654, 2111.09543): attention by content and by relative position."""

from typing import TYPE_CHECKING, ClassVar, final

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.deberta_config import DebertaConfig
from palm.backbone.interface import ENCODER_OUTPUTS
from palm.backbone.shapes import Shape, linear_shapes, norm_shapes
from palm.schema.fields import BackboneFields
from palm.spec import Spec, Specs

if TYPE_CHECKING:
    from paddle import nn

_IDS = Spec("batch seq", "int64")


@final
@BACKBONES.register("deberta")
class Deberta(Backbone):
    """DeBERTa's encoder with its pooler."""

    Config: ClassVar[type[BackboneFields]] = DebertaConfig
    model_types: ClassVar[tuple[str, ...]] = ("deberta-v2",)
    known_by: ClassVar[str | None] = "embeddings.relative_embeddings.weight"
    config: DebertaConfig

    def inputs_attr(self) -> Specs:
        positions = {"position_ids": _IDS} if self.config.position_biased_input else {}
        segments = {"segment_ids": _IDS} if self.config.type_vocab_size else {}
        return {"token_ids": _IDS, **positions, **segments, "input_mask": Spec("batch seq", "float32")}

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        config = self.config
        width, inner = config.hidden_size, config.intermediate_size or 4 * config.hidden_size
        shapes = self._embedding_shapes()
        for number in range(config.num_hidden_layers):
            name = f"encoder.layers.{number}"
            shapes |= linear_shapes(f"{name}.attention.qkv", width, 3 * width)
            shapes |= linear_shapes(f"{name}.attention.output", width, width)
            shapes |= norm_shapes(f"{name}.attention.layer_norm", width)
            for term, role in (("c2p", "key"), ("p2c", "query")):
                if config.compares(term) and not config.share_att_key:
                    shapes |= linear_shapes(f"{name}.attention.position_{role}", width, width)
            shapes |= linear_shapes(f"{name}.ffn.intermediate", width, inner)
            shapes |= linear_shapes(f"{name}.ffn.output", inner, width)
            shapes |= norm_shapes(f"{name}.ffn.layer_norm", width)
        if config.conv_kernel_size:
            name = "encoder.layers.0.convolution"
            shapes[f"{name}.weight"] = (width, width // config.conv_groups, config.conv_kernel_size)
            shapes |= {f"{name}.bias": (width,)} | norm_shapes(f"{name}_layer_norm", width)
        return shapes | linear_shapes("pooler.dense", width, width)

    def _embedding_shapes(self) -> dict[str, Shape]:
        config = self.config
        shapes: dict[str, Shape] = {"embeddings.word_embeddings.weight": (config.vocab_size, config.word_size)}
        if config.position_biased_input:
            shapes["embeddings.position_embeddings.weight"] = (config.max_position_embeddings, config.word_size)
        if config.type_vocab_size:
            shapes["embeddings.token_type_embeddings.weight"] = (config.type_vocab_size, config.word_size)
        if config.word_size != config.hidden_size:
            shapes |= linear_shapes("embeddings.projection", config.word_size, config.hidden_size, bias=False)
        if config.relative_attention:
            shapes["embeddings.relative_embeddings.weight"] = (2 * config.span, config.hidden_size)
            if config.normalised_distances:
                shapes |= norm_shapes("embeddings.relative_layer_norm", config.hidden_size)
        return shapes | norm_shapes("embeddings.layer_norm", config.hidden_size)

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.deberta_layers import DebertaEncoder

        return DebertaEncoder(self.config)
