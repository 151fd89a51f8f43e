"""Small random models of transformers, one of each architecture that PALM reads.

`python tests/parity/small_models.py FOLDER` writes them all.
"""

import sys
from pathlib import Path
from typing import Any

SIZES: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "initializer_range": 0.2, "hidden_act": "gelu",
}  # fmt: skip
DISTIL_SIZES: dict[str, Any] = {
    "vocab_size": 50, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "initializer_range": 0.2,
    "max_position_embeddings": 40, "activation": "gelu",
}  # fmt: skip
_ROBERTA = {"max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}
_ALBERT = {
    **SIZES, "max_position_embeddings": 40, "embedding_size": 16, "hidden_act": "gelu_new", "num_hidden_layers": 4,
}  # fmt: skip

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertModel", {**SIZES, "max_position_embeddings": 40}),
    "bert with a pretraining head": ("BertForPreTraining", {**SIZES, "max_position_embeddings": 40}),
    "ernie": (
        "ErnieModel",
        {**SIZES, "max_position_embeddings": 40, "use_task_id": True, "task_type_vocab_size": 3},
    ),
    "ernie 1, without task ids": ("ErnieModel", {**SIZES, "max_position_embeddings": 40, "use_task_id": False}),
    "roberta": ("RobertaModel", {**SIZES, **_ROBERTA}),
    "roberta with a masked-word head": ("RobertaForMaskedLM", {**SIZES, **_ROBERTA}),
    "xlm-roberta": ("XLMRobertaModel", {**SIZES, **_ROBERTA}),
    "camembert": ("CamembertModel", {**SIZES, **_ROBERTA, "pad_token_id": 3, "max_position_embeddings": 44}),
    "electra": ("ElectraModel", {**SIZES, "max_position_embeddings": 40, "embedding_size": 32}),
    "electra-small": ("ElectraModel", {**SIZES, "max_position_embeddings": 40, "embedding_size": 16}),
    "electra's generator": ("ElectraForMaskedLM", {**SIZES, "max_position_embeddings": 40, "embedding_size": 16}),
    "distilbert": ("DistilBertModel", DISTIL_SIZES),
    "distilbert with a masked-word head": ("DistilBertForMaskedLM", DISTIL_SIZES),
    "mpnet": ("MPNetModel", {**SIZES, "max_position_embeddings": 42, "pad_token_id": 1}),
    "mpnet with a masked-word head": ("MPNetForMaskedLM", {**SIZES, "max_position_embeddings": 42, "pad_token_id": 1}),
    "albert": ("AlbertModel", _ALBERT),
    "albert in two groups": ("AlbertModel", {**_ALBERT, "num_hidden_groups": 2}),
    "albert with a masked-word head": ("AlbertForMaskedLM", _ALBERT),
}
"""What it is → class and sizes."""


def new_model(kind: str, folder: Path) -> Any:
    """A model with random weights, LayerNorms and biases included, saved in `folder`."""
    import torch
    import transformers

    name, sizes = MODELS[kind]
    made = getattr(transformers, name)
    torch.manual_seed(1)
    model = made(made.config_class(**sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    return model


def padding_id(kind: str) -> int:
    """The id of padding, on which the positions of some models depend."""
    return int(MODELS[kind][1].get("pad_token_id", 0))


def has_segments(kind: str) -> bool:
    """Whether the model tells the texts of a pair by segments."""
    return MODELS[kind][0].startswith(("Bert", "Ernie", "Electra", "Albert"))


if __name__ == "__main__":
    for each in MODELS:
        new_model(each, Path(sys.argv[1]) / each.replace(" ", "_"))
