"""The names of ModernBERT's weights in transformers, and what PALM calls them.

The final normalisation is part of PALM's last layer. The projection before transformers' classifiers is PALM's pooler,
and that of the masked language model head, whose weights both get.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

MARK = r"layers\.\d+\.attn\.Wqkv\."
"""A name that every layer has, without the prefix `model.`."""

LAST_LAYER = "encoder.layers.last."
"""Stands for the last layer in `RULES`."""

RULES = {
    r"embeddings\.tok_embeddings\.weight": r"embeddings.word_embeddings.weight",
    r"embeddings\.norm\.(\w+)": r"embeddings.layer_norm.\1",
    r"layers\.(\d+)\.attn\.Wqkv\.(\w+)": r"encoder.layers.\1.attention.qkv.\2",
    r"layers\.(\d+)\.attn\.Wo\.(\w+)": r"encoder.layers.\1.attention.output.\2",
    r"layers\.(\d+)\.attn_norm\.(\w+)": r"encoder.layers.\1.attention.layer_norm.\2",
    r"layers\.(\d+)\.mlp\.Wi\.(\w+)": r"encoder.layers.\1.ffn.intermediate.\2",
    r"layers\.(\d+)\.mlp\.Wo\.(\w+)": r"encoder.layers.\1.ffn.output.\2",
    r"layers\.(\d+)\.mlp_norm\.(\w+)": r"encoder.layers.\1.ffn.layer_norm.\2",
    r"final_norm\.(\w+)": LAST_LAYER + r"final_layer_norm.\1",
    r"head\.dense\.(\w+)": r"pooler.dense.\1",
    r"head\.norm\.(\w+)": r"pooler.layer_norm.\1",
    r"decoder\.bias": r"mlm.bias",
}

BACK = (
    (r"embeddings\.word_embeddings\.weight", r"model.embeddings.tok_embeddings.weight"),
    (r"embeddings\.layer_norm\.(\w+)", r"model.embeddings.norm.\1"),
    (r"encoder\.layers\.(\d+)\.attention\.qkv\.(\w+)", r"model.layers.\1.attn.Wqkv.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"model.layers.\1.attn.Wo.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)", r"model.layers.\1.attn_norm.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.intermediate\.(\w+)", r"model.layers.\1.mlp.Wi.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.output\.(\w+)", r"model.layers.\1.mlp.Wo.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.layer_norm\.(\w+)", r"model.layers.\1.mlp_norm.\2"),
    (r"encoder\.layers\.\d+\.final_layer_norm\.(\w+)", r"model.final_norm.\1"),
    (r"(?:pooler|mlm)\.layer_norm\.(\w+)", r"head.norm.\1"),
    (r"(?:pooler\.dense|mlm\.transform)\.(\w+)", r"head.dense.\1"),
    (r"mlm\.bias", r"decoder.bias"),
)  # fmt: skip
"""From PALM's names; where a model has both, the head's weights are those of the masked language model."""

_CONFIG_KEYS = {
    "hidden_act": "hidden_activation",
    "layer_norm_eps": "norm_eps",
    "attention_probs_dropout_prob": "attention_dropout",
}
_OF_PALM = ("hidden_dropout_prob", "type_vocab_size")


def config_keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The content of transformers' config.json from PALM's keys."""
    usual = keys["hidden_dropout_prob"]
    dropout = {key: usual if keys[key] is None else keys[key] for key in ("embedding_dropout", "mlp_dropout")}
    written = {_CONFIG_KEYS.get(key, key): value for key, value in {**keys, **dropout}.items() if key not in _OF_PALM}
    return {key: value for key, value in written.items() if value is not None}


def with_mlm_head(tensors: Mapping[str, np.ndarray], names: Mapping[str, object]) -> dict[str, np.ndarray]:
    """`tensors` under PALM's names, with the masked language model's part of the head unless it is a classifier's."""
    if "classifier.weight" in names:
        return dict(tensors)
    copies = {
        re.sub(r"^pooler\.(?:dense|(layer_norm))", lambda found: f"mlm.{found[1] or 'transform'}", name): array
        for name, array in tensors.items()
        if name.startswith("pooler.")
    }
    return {**tensors, **copies}
