"""ModernBERT (arXiv:2412.13663): rotary positions, attention to a window in two of three layers, up to 8,192 tokens."""

from typing import TYPE_CHECKING, ClassVar, final

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.interface import ENCODER_OUTPUTS
from palm.backbone.modernbert_config import ModernBertConfig
from palm.backbone.other_settings import ENCODER_SETTINGS, Settings
from palm.backbone.shapes import Shape, linear_shapes, norm_shapes
from palm.schema.fields import BackboneFields
from palm.spec import Spec, Specs

if TYPE_CHECKING:
    from paddle import nn


@final
@BACKBONES.register("modernbert")
class ModernBert(Backbone):
    """ModernBERT's encoder; a text's vector goes through the projection before transformers' classifiers."""

    Config: ClassVar[type[BackboneFields]] = ModernBertConfig
    model_types: ClassVar[tuple[str, ...]] = ("modernbert",)
    settings: ClassVar[Settings] = {**ENCODER_SETTINGS, "rope_scaling": ({},)}
    config: ModernBertConfig

    def inputs_attr(self) -> Specs:
        return {"token_ids": Spec("batch seq", "int64"), "input_mask": Spec("batch seq", "float32")}

    def outputs_attr(self) -> Specs:
        return ENCODER_OUTPUTS

    def shapes(self) -> dict[str, Shape]:
        config = self.config
        width, biases = config.hidden_size, config.norm_bias
        shapes: dict[str, Shape] = {"embeddings.word_embeddings.weight": (config.vocab_size, width)}
        shapes |= norm_shapes("embeddings.layer_norm", width, bias=biases)
        for number in range(config.num_hidden_layers):
            name = f"encoder.layers.{number}"
            shapes |= linear_shapes(f"{name}.attention.qkv", width, 3 * width, bias=config.attention_bias)
            shapes |= linear_shapes(f"{name}.attention.output", width, width, bias=config.attention_bias)
            if number:
                shapes |= norm_shapes(f"{name}.attention.layer_norm", width, bias=biases)
            shapes |= linear_shapes(f"{name}.ffn.intermediate", width, 2 * config.inner_size, bias=config.mlp_bias)
            shapes |= linear_shapes(f"{name}.ffn.output", config.inner_size, width, bias=config.mlp_bias)
            shapes |= norm_shapes(f"{name}.ffn.layer_norm", width, bias=biases)
        shapes |= norm_shapes(f"encoder.layers.{config.num_hidden_layers - 1}.final_layer_norm", width, bias=biases)
        shapes |= linear_shapes("pooler.dense", width, width, bias=config.classifier_bias)
        return shapes | norm_shapes("pooler.layer_norm", width, bias=biases)

    def build_layers(self) -> "nn.Layer":
        from palm.backbone.modernbert_layers import ModernBertEncoder

        return ModernBertEncoder(self.config)
