"""The names of the weights of DeBERTa v2 and v3 in transformers that BERT does not have, and what PALM calls them.

The vectors of relative positions belong to PALM's embeddings, and the convolution of v2-xlarge to its first layer.
"""

from collections.abc import Mapping
from typing import Any

RULES = {
    r"embeddings\.embed_proj\.weight": r"embeddings.projection.weight",
    r"encoder\.rel_embeddings\.weight": r"embeddings.relative_embeddings.weight",
    r"encoder\.LayerNorm\.(\w+)": r"embeddings.relative_layer_norm.\1",
    r"encoder\.conv\.conv\.(\w+)": r"encoder.layers.0.convolution.\1",
    r"encoder\.conv\.LayerNorm\.(\w+)": r"encoder.layers.0.convolution_layer_norm.\1",
    r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)_proj\.(\w+)": r"encoder.layers.\1.attention.\2.\3",
    r"encoder\.layer\.(\d+)\.attention\.self\.pos_(query|key)_proj\.(\w+)": (
        r"encoder.layers.\1.attention.position_\2.\3"
    ),
    r"lm_predictions\.lm_head\.dense\.(\w+)": r"mlm.transform.\1",
    r"lm_predictions\.lm_head\.LayerNorm\.(\w+)": r"mlm.layer_norm.\1",
    r"lm_predictions\.lm_head\.bias": r"mlm.bias",
}

BACK = (
    (r"embeddings\.projection\.weight", r"deberta.embeddings.embed_proj.weight"),
    (r"embeddings\.relative_embeddings\.weight", r"deberta.encoder.rel_embeddings.weight"),
    (r"embeddings\.relative_layer_norm\.(\w+)", r"deberta.encoder.LayerNorm.\1"),
    (r"encoder\.layers\.0\.convolution\.(\w+)", r"deberta.encoder.conv.conv.\1"),
    (r"encoder\.layers\.0\.convolution_layer_norm\.(\w+)", r"deberta.encoder.conv.LayerNorm.\1"),
    (
        r"encoder\.layers\.(\d+)\.attention\.(query|key|value)\.(\w+)",
        r"deberta.encoder.layer.\1.attention.self.\2_proj.\3",
    ),
    (
        r"encoder\.layers\.(\d+)\.attention\.position_(query|key)\.(\w+)",
        r"deberta.encoder.layer.\1.attention.self.pos_\2_proj.\3",
    ),
    (r"pooler\.(.+)", r"pooler.\1"),
    (r"embeddings\.(\w+)_embeddings\.weight", r"deberta.embeddings.\1_embeddings.weight"),
    (r"embeddings\.layer_norm\.(\w+)", r"deberta.embeddings.LayerNorm.\1"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"deberta.encoder.layer.\1.attention.output.dense.\2"),
    (
        r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)",
        r"deberta.encoder.layer.\1.attention.output.LayerNorm.\2",
    ),
    (r"encoder\.layers\.(\d+)\.ffn\.intermediate\.(\w+)", r"deberta.encoder.layer.\1.intermediate.dense.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.output\.(\w+)", r"deberta.encoder.layer.\1.output.dense.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.layer_norm\.(\w+)", r"deberta.encoder.layer.\1.output.LayerNorm.\2"),
)
"""From PALM's names; those of the masked language model head are BERT's."""


def config_keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The content of transformers' config.json from PALM's keys; `legacy` names the head that BERT has, too."""
    return {**{key: value for key, value in keys.items() if value is not None}, "legacy": True}
