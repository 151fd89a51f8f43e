"""Small models of transformers with random weights, for architectures whose computation is not BERT's."""

from pathlib import Path
from typing import Any

import torch
import transformers

SIZES = {
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48,
    "initializer_range": 0.2, "pad_token_id": 0,
}  # fmt: skip
_RELATIVE = {"relative_attention": True, "pos_att_type": "p2c|c2p", "layer_norm_eps": 1e-7}
_V3 = {
    **_RELATIVE, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "position_biased_input": False, "type_vocab_size": 0, "max_position_embeddings": 64,
}  # fmt: skip
_MODERN = {"local_attention": 8, "cls_token_id": 1, "bos_token_id": 1, "sep_token_id": 2, "eos_token_id": 2}
# Name → class without its ending, and keys of its config.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "modernbert": ("ModernBert", _MODERN),
    "modernbert with biases and a mean": (
        "ModernBert",
        {
            **_MODERN, "norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True,
            "classifier_pooling": "mean", "hidden_activation": "relu", "local_attention": 6,
        },
    ),
    "deberta v3": ("DebertaV2", _V3),
    "deberta v3 with narrow embeddings": ("DebertaV2", {**_V3, "embedding_size": 24}),
    "deberta v3 with a head of its own": ("DebertaV2", {**_V3, "legacy": False}),
    "deberta v2 with a convolution": ("DebertaV2", {**_V3, "conv_kernel_size": 3, "conv_act": "gelu"}),
    "deberta v2 with its own projections": (
        "DebertaV2",
        {**_RELATIVE, "type_vocab_size": 2, "max_relative_positions": 12, "max_position_embeddings": 40},
    ),
    "deberta v2 with one term": ("DebertaV2", {**_V3, "pos_att_type": "c2p", "share_att_key": False}),
    "deberta v2 with absolute positions": ("DebertaV2", {"type_vocab_size": 2, "max_position_embeddings": 40}),
}  # fmt: skip


def make(kind: str, folder: Path, ending: str = "ForMaskedLM", **keys: object) -> Any:
    """A model with random weights, normalisations and biases included, saved in `folder`; in evaluation mode."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    stem, more = MODELS[kind]
    config = getattr(transformers, f"{stem}Config")(**{**SIZES, **more, **keys})
    torch.manual_seed(1)
    model = getattr(transformers, stem + ending)._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    return model
