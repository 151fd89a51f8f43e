"""Maps the parameter names of other libraries to PALM's.

Four layouts are supported: Hugging Face's (dense weights [out in]; names of each architecture's own), PaddleNLP's,
that of Paddle 1.x (LARK, PALM 0.2.1) and PALM's own (dense weights [in out]). Tensors of the masked-language-model head
become `mlm.*`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from palm.errors import CheckpointError

_TABLE = re.compile(r"_embeddings\.weight$|relative_attention_bias\.weight$")
_PARTS = ("query", "key", "value")
_PREFIXES = re.compile(
    r"^(bert|ernie|roberta|electra|distilbert|mpnet|albert|backbone)\."
    r"(?=embeddings\.|embeddings_project\.|encoder\.|transformer\.|pooler\.)"
)
_BUFFERS = re.compile(r"(^|\.)(position_ids|token_type_ids)$")
_TIED_DECODERS = (
    "predictions.decoder.weight", "predictions.decoder_weight", "lm_head.decoder.weight", "vocab_projector.weight",
    "generator_lm_head.weight",
)  # fmt: skip
_OLD_NORM = {"gamma": "weight", "beta": "bias"}  # TensorFlow's names, in early conversions

# Heads are those of RoBERTa, XLM-R, CamemBERT and MPNet; the dense layer of a classifier is what a pooler is in BERT.
_ROBERTA_HEADS = {
    r"lm_head\.dense\.(\w+)": r"mlm.transform.\1",
    r"lm_head\.layer_norm\.(\w+)": r"mlm.layer_norm.\1",
    r"lm_head\.(?:decoder\.|decoder_)?bias": r"mlm.bias",
    r"classifier\.dense\.(\w+)": r"pooler.dense.\1",
}
_ELECTRA = {
    r"embeddings_project\.(\w+)": r"embeddings.projection.\1",
    r"generator_predictions\.dense\.(\w+)": r"mlm.transform.\1",
    r"generator_predictions\.LayerNorm\.(\w+)": r"mlm.layer_norm.\1",
    r"generator_lm_head\.bias": r"mlm.bias",
}
_DISTILBERT = {
    r"transformer\.layer\.(\d+)\.attention\.q_lin\.(\w+)": r"encoder.layers.\1.attention.query.\2",
    r"transformer\.layer\.(\d+)\.attention\.k_lin\.(\w+)": r"encoder.layers.\1.attention.key.\2",
    r"transformer\.layer\.(\d+)\.attention\.v_lin\.(\w+)": r"encoder.layers.\1.attention.value.\2",
    r"transformer\.layer\.(\d+)\.attention\.out_lin\.(\w+)": r"encoder.layers.\1.attention.output.\2",
    r"transformer\.layer\.(\d+)\.sa_layer_norm\.(\w+)": r"encoder.layers.\1.attention.layer_norm.\2",
    r"transformer\.layer\.(\d+)\.ffn\.lin1\.(\w+)": r"encoder.layers.\1.ffn.intermediate.\2",
    r"transformer\.layer\.(\d+)\.ffn\.lin2\.(\w+)": r"encoder.layers.\1.ffn.output.\2",
    r"transformer\.layer\.(\d+)\.output_layer_norm\.(\w+)": r"encoder.layers.\1.ffn.layer_norm.\2",
    r"pre_classifier\.(\w+)": r"pooler.dense.\1",
    r"vocab_transform\.(\w+)": r"mlm.transform.\1",
    r"vocab_layer_norm\.(\w+)": r"mlm.layer_norm.\1",
    r"vocab_projector\.bias": r"mlm.bias",
}
_MPNET = {
    r"encoder\.layer\.(\d+)\.attention\.attn\.q\.(\w+)": r"encoder.layers.\1.attention.query.\2",
    r"encoder\.layer\.(\d+)\.attention\.attn\.k\.(\w+)": r"encoder.layers.\1.attention.key.\2",
    r"encoder\.layer\.(\d+)\.attention\.attn\.v\.(\w+)": r"encoder.layers.\1.attention.value.\2",
    r"encoder\.layer\.(\d+)\.attention\.attn\.o\.(\w+)": r"encoder.layers.\1.attention.output.\2",
    r"encoder\.layer\.(\d+)\.attention\.LayerNorm\.(\w+)": r"encoder.layers.\1.attention.layer_norm.\2",
    r"encoder\.relative_attention_bias\.weight": r"embeddings.relative_attention_bias.weight",
}
_ALBERT_LAYER = r"encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0"
_ALBERT = {
    r"encoder\.embedding_hidden_mapping_in\.(\w+)": r"embeddings.projection.\1",
    rf"{_ALBERT_LAYER}\.attention\.(query|key|value)\.(\w+)": r"encoder.groups.\1.attention.\2.\3",
    rf"{_ALBERT_LAYER}\.attention\.dense\.(\w+)": r"encoder.groups.\1.attention.output.\2",
    rf"{_ALBERT_LAYER}\.attention\.LayerNorm\.(\w+)": r"encoder.groups.\1.attention.layer_norm.\2",
    rf"{_ALBERT_LAYER}\.ffn\.(\w+)": r"encoder.groups.\1.ffn.intermediate.\2",
    rf"{_ALBERT_LAYER}\.ffn_output\.(\w+)": r"encoder.groups.\1.ffn.output.\2",
    rf"{_ALBERT_LAYER}\.full_layer_layer_norm\.(\w+)": r"encoder.groups.\1.ffn.layer_norm.\2",
    r"pooler\.(weight|bias)": r"pooler.dense.\1",
    r"predictions\.dense\.(\w+)": r"mlm.transform.\1",
    r"predictions\.LayerNorm\.(\w+)": r"mlm.layer_norm.\1",
    r"predictions\.(?:decoder\.)?bias": r"mlm.bias",
}

_HUGGING_FACE = {
    r"embeddings\.(word|position|token_type|task_type)_embeddings\.weight": r"embeddings.\1_embeddings.weight",
    r"embeddings\.LayerNorm\.(\w+)": r"embeddings.layer_norm.\1",
    r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)\.(\w+)": r"encoder.layers.\1.attention.\2.\3",
    r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(\w+)": r"encoder.layers.\1.attention.output.\2",
    r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.(\w+)": r"encoder.layers.\1.attention.layer_norm.\2",
    r"encoder\.layer\.(\d+)\.intermediate\.dense\.(\w+)": r"encoder.layers.\1.ffn.intermediate.\2",
    r"encoder\.layer\.(\d+)\.output\.dense\.(\w+)": r"encoder.layers.\1.ffn.output.\2",
    r"encoder\.layer\.(\d+)\.output\.LayerNorm\.(\w+)": r"encoder.layers.\1.ffn.layer_norm.\2",
    r"pooler\.dense\.(\w+)": r"pooler.dense.\1",
    r"cls\.predictions\.transform\.dense\.(\w+)": r"mlm.transform.\1",
    r"cls\.predictions\.transform\.LayerNorm\.(\w+)": r"mlm.layer_norm.\1",
    r"cls\.predictions\.(?:decoder\.)?bias": r"mlm.bias",
    **_ROBERTA_HEADS,
    **_ELECTRA,
    **_DISTILBERT,
    **_MPNET,
    **_ALBERT,
}

_PADDLE_NLP = {
    r"embeddings\.(word|position|token_type|task_type)_embeddings\.weight": r"embeddings.\1_embeddings.weight",
    r"embeddings\.layer_norm\.(\w+)": r"embeddings.layer_norm.\1",
    r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(\w+)": r"encoder.layers.\1.attention.query.\2",
    r"encoder\.layers\.(\d+)\.self_attn\.k_proj\.(\w+)": r"encoder.layers.\1.attention.key.\2",
    r"encoder\.layers\.(\d+)\.self_attn\.v_proj\.(\w+)": r"encoder.layers.\1.attention.value.\2",
    r"encoder\.layers\.(\d+)\.self_attn\.out_proj\.(\w+)": r"encoder.layers.\1.attention.output.\2",
    r"encoder\.layers\.(\d+)\.norm1\.(\w+)": r"encoder.layers.\1.attention.layer_norm.\2",
    r"encoder\.layers\.(\d+)\.linear1\.(\w+)": r"encoder.layers.\1.ffn.intermediate.\2",
    r"encoder\.layers\.(\d+)\.linear2\.(\w+)": r"encoder.layers.\1.ffn.output.\2",
    r"encoder\.layers\.(\d+)\.norm2\.(\w+)": r"encoder.layers.\1.ffn.layer_norm.\2",
    r"pooler\.dense\.(\w+)": r"pooler.dense.\1",
    r"cls\.predictions\.transform\.(\w+)": r"mlm.transform.\1",
    r"cls\.predictions\.layer_norm\.(\w+)": r"mlm.layer_norm.\1",
    r"cls\.predictions\.decoder_bias": r"mlm.bias",
}

_PADDLE_1X = {
    r"word_embedding": r"embeddings.word_embeddings.weight",
    r"pos_embedding": r"embeddings.position_embeddings.weight",
    r"sent_embedding": r"embeddings.token_type_embeddings.weight",
    r"task_embedding": r"embeddings.task_type_embeddings.weight",
    r"pre_encoder_layer_norm_(\w+)": r"embeddings.layer_norm.\1",
    r"encoder_layer_(\d+)_multi_head_att_(query|key|value|output)_fc\.(\w)_0": r"encoder.layers.\1.attention.\2.\3",
    r"encoder_layer_(\d+)_post_att_layer_norm_(\w+)": r"encoder.layers.\1.attention.layer_norm.\2",
    r"encoder_layer_(\d+)_ffn_fc_0\.(\w)_0": r"encoder.layers.\1.ffn.intermediate.\2",
    r"encoder_layer_(\d+)_ffn_fc_1\.(\w)_0": r"encoder.layers.\1.ffn.output.\2",
    r"encoder_layer_(\d+)_post_ffn_layer_norm_(\w+)": r"encoder.layers.\1.ffn.layer_norm.\2",
    r"pooled_fc\.(\w)_0": r"pooler.dense.\1",
    r"mask_lm_trans_fc\.(\w)_0": r"mlm.transform.\1",
    r"mask_lm_trans_layer_norm_(\w+)": r"mlm.layer_norm.\1",
    r"mask_lm_out_fc\.b_0": r"mlm.bias",
}
_PADDLE_1X_PREFIX = "__paddlepalm_"
_PADDLE_1X_KINDS = {"w": "weight", "b": "bias", "scale": "weight", "bias": "bias"}

_OWN = {r"((?:embeddings|encoder|pooler)\..+)": r"\1"}


@dataclass(frozen=True)
class Renamed:
    """Tensors under PALM's names.

    Attributes:
        layout: Whose names they originally had.
        tensors: Dense weights [in out]; queries, keys and values side by side in `qkv`.
        unknown: Names that match no rule.
    """

    layout: str
    tensors: dict[str, np.ndarray]
    unknown: tuple[str, ...]


def targets_of(tensors: Mapping[str, np.ndarray]) -> dict[str, str | None]:
    """PALM's name of each of `tensors`, with separate queries, keys and values; None if PALM has none."""
    bare = {_bare(name): name for name in tensors if not _BUFFERS.search(name)}
    layout, rules = _layout(bare)
    targets: dict[str, str | None] = dict.fromkeys(tensors)
    for name, original in bare.items():
        target = _target(name, rules, layout)
        if target not in targets.values():
            targets[original] = target
    return targets


def rename(tensors: Mapping[str, np.ndarray], source: str = "weights") -> Renamed:
    """Rename `tensors` from any supported layout to PALM's names.

    Args:
        tensors: Arrays under the names in their file.
        source: The file, for messages.

    Raises:
        CheckpointError: A tensor has another number of axes than its name requires.
    """
    bare = {_bare(name): name for name in tensors if not _BUFFERS.search(name)}
    layout, rules = _layout(bare)
    named, unknown = {}, []
    for name, original in bare.items():
        target = _target(name, rules, layout)
        if target is None or target in named:
            unknown.append(original)
        else:
            array = tensors[original]
            if layout != "PALM":  # there a backbone of a user's own has names of its own
                _check_axes(source, original, array, target)
            named[target] = array.T if layout == "Hugging Face" and is_dense(target) else array
    fused = dict(_fuse(named, source))
    tied = {name for name in unknown if _is_tied_decoder(name, tensors[name], fused)}
    return Renamed(layout, fused, tuple(name for name in unknown if name not in tied))


def _bare(name: str) -> str:
    name = _PREFIXES.sub("", name.removeprefix(_PADDLE_1X_PREFIX))
    head, _, last = name.rpartition(".")
    return f"{head}.{_OLD_NORM[last]}" if last in _OLD_NORM else name


def _layout(names: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """The layout of `names`, detected by a name that every layer of only this layout has."""
    marks: tuple[tuple[str, str, Mapping[str, str]], ...] = (
        (r"encoder\.(?:layers|groups)\.\d+\.attention\.qkv\.", "PALM", _OWN),
        (r"encoder\.layers\.\d+\.self_attn\.", "PaddleNLP", _PADDLE_NLP),
        (r"encoder_layer_\d+_", "Paddle 1.x", _PADDLE_1X),
    )
    for mark, layout, rules in marks:
        if any(re.match(mark, name) for name in names):
            return layout, rules
    return "Hugging Face", _HUGGING_FACE


def _target(name: str, rules: Mapping[str, str], layout: str) -> str | None:
    for pattern, template in rules.items():
        match = re.fullmatch(pattern, name)
        if match:
            target = match.expand(template)
            return _spell_kind(target) if layout == "Paddle 1.x" else target
    return None


def _spell_kind(target: str) -> str:
    head, _, kind = target.rpartition(".")
    return f"{head}.{_PADDLE_1X_KINDS.get(kind, kind)}"


def is_dense(target: str) -> bool:
    """Whether PALM's parameter `target` is a dense weight, which is [in out] here and [out in] in other libraries."""
    return target.endswith(".weight") and not _TABLE.search(target) and "layer_norm" not in target


def _check_axes(source: str, name: str, array: np.ndarray, target: str) -> None:
    """Refuse a tensor that cannot be the parameter `target`."""
    expected = 1 if target.endswith(".bias") or "layer_norm" in target else 2
    if array.ndim != expected or not array.size or array.dtype.kind not in "fiu":
        rule = f"`{name}` must hold numbers in {expected} {'axis' if expected == 1 else 'axes'}."
        raise CheckpointError(f"{source}: {rule} Found {array.dtype}{list(array.shape)}. Use another copy.")


def _fuse(named: Mapping[str, np.ndarray], source: str) -> Iterator[tuple[str, np.ndarray]]:
    """Concatenate the weights of queries, keys and values; a layer that lacks one of them keeps them separate."""
    for name, array in named.items():
        match = re.fullmatch(r"(.+\.attention)\.(query|key|value)\.(\w+)", name)
        parts = [f"{match[1]}.{part}.{match[3]}" for part in _PARTS] if match else []
        if match is None or any(part not in named for part in parts):
            yield name, np.ascontiguousarray(array)
        elif match[2] == "query":
            shapes = [named[part].shape for part in parts]
            if len(set(shapes)) > 1 or not array.ndim:
                rule = f"queries, keys and values of `{match[1]}` have one shape."
                raise CheckpointError(f"{source}: {rule} Found {shapes}. Use another copy.")
            yield f"{match[1]}.qkv.{match[3]}", np.concatenate([named[part] for part in parts], axis=-1)


def _is_tied_decoder(name: str, array: np.ndarray, tensors: Mapping[str, np.ndarray]) -> bool:
    table = tensors.get("embeddings.word_embeddings.weight")
    tied = name.endswith(_TIED_DECODERS)
    if name.endswith(("predictions.decoder.bias", "lm_head.decoder.bias")):
        return np.array_equal(array, tensors.get("mlm.bias", np.empty(0)))
    return tied and table is not None and np.array_equal(array, table)
