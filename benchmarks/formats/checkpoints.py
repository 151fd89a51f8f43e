"""Small random checkpoints with the files, names and keys of public ones, so that no hub is needed to try them all.

Each has the keys of the public config.json with smaller sizes, the class that its weights were saved from with that
class's heads, the file and the names of its weights, and a small tokenizer in the public one's files.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

from benchmarks.formats import public_tokenizers as tokenizers

_WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_DROPOUT = {"attention_probs_dropout_prob": 0.1, "hidden_dropout_prob": 0.1, "initializer_range": 0.02}
_BERT = {
    **_WIDE, **_DROPOUT, "model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
    "max_position_embeddings": 64, "type_vocab_size": 2, "position_embedding_type": "absolute", "use_cache": True,
}  # fmt: skip
_CHINESE = {
    "directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128, "pooler_type": "first_token_transform",
}  # fmt: skip
_ERNIE = {
    **_WIDE, **_DROPOUT, "model_type": "ernie", "layer_norm_eps": 1e-5, "pad_token_id": 0, "task_type_vocab_size": 3,
    "position_embedding_type": "absolute", "use_cache": True,
}  # fmt: skip
_ROBERTA = {
    **_WIDE, **_DROPOUT, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "max_position_embeddings": 66,
    "type_vocab_size": 1, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
}  # fmt: skip
_DEBERTA = {
    **_WIDE, **_DROPOUT, "model_type": "deberta-v2", "hidden_act": "gelu", "max_position_embeddings": 64,
    "relative_attention": True, "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "pos_att_type": "p2c|c2p", "layer_norm_eps": 1e-7, "max_relative_positions": -1, "position_biased_input": False,
    "type_vocab_size": 0,
}  # fmt: skip
_GAMMA = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


@dataclass(frozen=True)
class Checkpoint:
    """A public checkpoint, made small.

    Attributes:
        name: Its id on the Hugging Face hub.
        model: The class of transformers that its weights were saved from.
        config: The keys of its config.json, with smaller sizes; `vocab_size` is added.
        tokenizer: Writes its tokenizer's files, and gives the number of tokens.
        weights: `safetensors`; `bin` for a zip of PyTorch's; `old bin` for the format before PyTorch 1.6.
        renamed: Parts of its tensors' names that differ from those of transformers today.
        spare_rows: Rows of the embedding table beyond the tokens.
        position_ids: The name under which it holds a buffer that newer versions leave out.
        chinese: Whether it is for Chinese.
    """

    name: str
    model: str
    config: Mapping[str, object]
    tokenizer: Callable[[Path], int]
    weights: str = "safetensors"
    renamed: Mapping[str, str] = field(default_factory=dict)
    spare_rows: int = 0
    position_ids: str = ""
    chinese: bool = False


def write_checkpoint(made: Checkpoint, folder: Path) -> None:
    """Write config.json, the weights and the tokenizer; needs torch and transformers."""
    folder.mkdir(parents=True)
    config = {"architectures": [made.model], **made.config, "vocab_size": made.tokenizer(folder) + made.spare_rows}
    kind = getattr(transformers, made.model)
    torch.manual_seed(1)
    # Larger than a new model's weights: differences then show in every layer.
    model = kind(kind.config_class(**{**config, "initializer_range": 0.2}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    _save(_named_as_public(model.state_dict(), made), folder, made.weights)


def _named_as_public(tensors: Mapping[str, torch.Tensor], made: Checkpoint) -> dict[str, torch.Tensor]:
    found = {}
    for name, tensor in tensors.items():
        for part, public in made.renamed.items():
            name = name.replace(part, public)
        found[name] = tensor
    if made.weights == "safetensors":  # never holds a tensor twice: the tied one is left out
        found = {name: tensor.clone() for name, tensor in found.items() if "decoder." not in name}
    if made.position_ids:
        found[made.position_ids] = torch.arange(int(str(made.config["max_position_embeddings"])))[None]
    return found


def _save(tensors: dict[str, torch.Tensor], folder: Path, form: str) -> None:
    if form == "safetensors":
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=form == "bin")


def _deberta(name: str, **more: object) -> Checkpoint:
    heads = {"cls.predictions.transform": "lm_predictions.lm_head", "cls.predictions": "lm_predictions.lm_head"}
    config = {**_DEBERTA, **more}
    return Checkpoint(name, "DebertaV2ForMaskedLM", config, tokenizers.deberta, "bin", heads, spare_rows=99)


# fmt: off
CHECKPOINTS = (
    Checkpoint("google-bert/bert-base-uncased", "BertForPreTraining", _BERT, tokenizers.bert, renamed=_GAMMA),
    Checkpoint("google-bert/bert-base-chinese", "BertForMaskedLM", {**_BERT, **_CHINESE}, tokenizers.bert_cased,
               renamed=_GAMMA, chinese=True),
    Checkpoint("hfl/chinese-roberta-wwm-ext", "BertForMaskedLM", {**_BERT, **_CHINESE, "output_past": True},
               tokenizers.vocabulary_alone, "old bin", chinese=True),
    Checkpoint("sentence-transformers/LaBSE", "BertModel", _BERT, tokenizers.bert_cased,
               position_ids="embeddings.position_ids"),
    Checkpoint("nghuyong/ernie-1.0-base-zh", "ErnieForMaskedLM",
               {**_ERNIE, "hidden_act": "relu", "max_position_embeddings": 65, "type_vocab_size": 2,
                "use_task_id": False}, tokenizers.vocabulary_alone, "bin", chinese=True),
    Checkpoint("nghuyong/ernie-2.0-base-en", "ErnieForMaskedLM",
               {**_ERNIE, "hidden_act": "gelu", "max_position_embeddings": 64, "type_vocab_size": 4,
                "use_task_id": False}, tokenizers.bert, "bin"),
    Checkpoint("nghuyong/ernie-3.0-base-zh", "ErnieForMaskedLM",
               {**_ERNIE, "hidden_act": "gelu", "max_position_embeddings": 128, "type_vocab_size": 4,
                "use_task_id": True}, tokenizers.vocabulary_alone, "bin", chinese=True),
    Checkpoint("intfloat/multilingual-e5-small", "BertModel",
               {**_BERT, "classifier_dropout": None, "tokenizer_class": "XLMRobertaTokenizer"}, tokenizers.xlm_r,
               spare_rows=35, position_ids="embeddings.position_ids", chinese=True),
    Checkpoint("FacebookAI/roberta-base", "RobertaForMaskedLM", {**_ROBERTA, "model_type": "roberta"},
               tokenizers.roberta, position_ids="roberta.embeddings.position_ids"),
    Checkpoint("FacebookAI/xlm-roberta-base", "XLMRobertaForMaskedLM",
               {**_ROBERTA, "model_type": "xlm-roberta", "output_past": True, "position_embedding_type": "absolute"},
               tokenizers.xlm_r, position_ids="roberta.embeddings.position_ids", chinese=True),
    Checkpoint("almanach/camembert-base", "CamembertForMaskedLM",
               {**_ROBERTA, "model_type": "camembert", "output_past": True, "bos_token_id": 5, "eos_token_id": 6},
               tokenizers.camembert, "old bin"),
    Checkpoint("google/electra-small-discriminator", "ElectraForPreTraining",
               {**_BERT, "model_type": "electra", "embedding_size": 16, "summary_activation": "gelu",
                "summary_last_dropout": 0.1, "summary_type": "first", "summary_use_proj": True},
               tokenizers.bert, "old bin"),
    Checkpoint("distilbert/distilbert-base-uncased", "DistilBertForMaskedLM",
               {"activation": "gelu", "attention_dropout": 0.1, "dim": 32, "dropout": 0.1, "hidden_dim": 48,
                "initializer_range": 0.02, "max_position_embeddings": 64, "model_type": "distilbert", "n_heads": 4,
                "n_layers": 2, "pad_token_id": 0, "qa_dropout": 0.1, "seq_classif_dropout": 0.2,
                "sinusoidal_pos_embds": False, "tie_weights_": True}, tokenizers.bert),
    Checkpoint("microsoft/mpnet-base", "MPNetForMaskedLM",
               {**_ROBERTA, "model_type": "mpnet", "relative_attention_num_buckets": 32}, tokenizers.mpnet, "old bin"),
    Checkpoint("albert/albert-base-v2", "AlbertForMaskedLM",
               {**_WIDE, "attention_probs_dropout_prob": 0, "classifier_dropout_prob": 0.1, "down_scale_factor": 1,
                "embedding_size": 16, "gap_size": 0, "hidden_act": "gelu_new", "hidden_dropout_prob": 0,
                "initializer_range": 0.02, "inner_group_num": 1, "layer_norm_eps": 1e-12,
                "max_position_embeddings": 64, "model_type": "albert", "net_structure_type": 0,
                "num_hidden_groups": 1, "num_memory_blocks": 0, "pad_token_id": 0, "bos_token_id": 2,
                "eos_token_id": 3, "type_vocab_size": 2}, tokenizers.albert),
    Checkpoint("answerdotai/ModernBERT-base", "ModernBertForMaskedLM",
               {**_WIDE, "num_hidden_layers": 4, "model_type": "modernbert", "attention_bias": False,
                "attention_dropout": 0.0, "classifier_activation": "gelu", "classifier_bias": False,
                "classifier_dropout": 0.0, "classifier_pooling": "mean", "decoder_bias": True,
                "deterministic_flash_attn": False, "embedding_dropout": 0.0, "global_attn_every_n_layers": 3,
                "global_rope_theta": 160000.0, "hidden_activation": "gelu", "initializer_cutoff_factor": 2.0,
                "initializer_range": 0.02, "layer_norm_eps": 1e-5, "local_attention": 16, "local_rope_theta": 10000.0,
                "max_position_embeddings": 8192, "mlp_bias": False, "mlp_dropout": 0.0, "norm_bias": False,
                "norm_eps": 1e-5, "position_embedding_type": "absolute", "reference_compile": False,
                "repad_logits_with_grad": False, "sparse_pred_ignore_index": -100, "sparse_prediction": False,
                "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2, "sep_token_id": 2, "pad_token_id": 3},
               tokenizers.modernbert, spare_rows=83),
    _deberta("microsoft/deberta-v3-base"),
    _deberta("microsoft/deberta-v2-xlarge", attention_head_size=8, conv_kernel_size=3, conv_act="gelu",
             pos_att_type="c2p|p2c"),
)
# fmt: on
