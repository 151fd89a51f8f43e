"""Writes an encoder in transformers' form: its tensors under their names, and their config.json."""

import re
from typing import Any

import numpy as np

from palm.backbone.base import BACKBONES
from palm.backbone.transformers_form import TransformersForm
from palm.data.vocab import VOCAB_FILE
from palm.errors import CheckpointError
from palm.pretrained.encoder import POSITIONS, ArraysByName, PretrainedEncoder, PretrainedHead, split_qkv
from palm.pretrained.load import MLM_HEAD
from palm.pretrained.name_maps import is_dense
from palm.pretrained.transformers_names import transformers_names
from palm.schema.fields import BackboneFields, exported_keys

_PADDING = ("[PAD]", "<pad>")
_SEQUENCE = "ForSequenceClassification"


def in_transformers_names(encoder: PretrainedEncoder) -> ArraysByName:
    """The tensors under transformers' names, dense weights [out in], positions with the rows that no token uses.

    Raises:
        CheckpointError: Padding that transformers would not take for it.
    """
    form = BACKBONES[encoder.backbone].transformers
    if form is None:
        return _in_other_names(encoder)
    head = encoder.head
    prefix = f"{encoder.backbone}." if head or _has_mlm(encoder) else ""
    written = {}
    for name, array in split_qkv(encoder.tensors).items():
        theirs = _their_name(name, form, head, prefix)
        if theirs is not None:
            written[theirs] = array.T if is_dense(name) else array
    positions = prefix + POSITIONS
    unused = _first_position(encoder)
    if unused:
        table = written[positions]
        written[positions] = np.concatenate([np.zeros((unused, table.shape[1]), table.dtype), table])
    if head is not None:
        layer = form.classifier[1] if form.classifier and head.form.class_ending == _SEQUENCE else head.form.layer
        written |= {f"{layer}.weight": head.weight.T, f"{layer}.bias": head.bias}
    return written


def transformers_config(encoder: PretrainedEncoder) -> dict[str, Any]:
    """The content of their config.json.

    Raises:
        CheckpointError: Padding, or a key that transformers' code does not read.
    """
    form, names = BACKBONES[encoder.backbone].transformers, transformers_names(encoder.backbone)
    ending = encoder.head.form.class_ending if encoder.head else "ForMaskedLM" if _has_mlm(encoder) else "Model"
    if form is None:
        keys = names.keys(backbone_keys(encoder.backbone_config))
        config = {"model_type": names.model_type, "architectures": [names.class_stem + ending], **keys}
        config["pad_token_id"] = _padding_of_vocabulary(encoder) or 0
        return config | (_labels(encoder.head) if encoder.head else {})
    config = {"model_type": encoder.backbone, "architectures": [form.class_name + ending]}
    config |= {"pad_token_id": _padding_of_vocabulary(encoder) or 0, **backbone_keys(encoder.backbone_config)}
    if _first_position(encoder):
        config["pad_token_id"] = _first_position(encoder) - 1
        config["max_position_embeddings"] += _first_position(encoder)
    config |= BACKBONES[encoder.backbone].their_keys(encoder.backbone_config)
    config = {key: value for key, value in config.items() if value is not None}
    return config | (_labels(encoder.head) if encoder.head else {})


def backbone_keys(config: BackboneFields) -> dict[str, Any]:
    """The exported keys, with the width of the feed-forward layer."""
    return {**exported_keys(config), "intermediate_size": config.inner_size}


def _in_other_names(encoder: PretrainedEncoder) -> ArraysByName:
    """The tensors of an architecture that has other names than BERT's throughout."""
    names = transformers_names(encoder.backbone)
    form = TransformersForm(names.class_stem)
    fused = any(".qkv" in rule for rule, _ in names.rules)
    written = {}
    for name, array in (encoder.tensors if fused else split_qkv(encoder.tensors)).items():
        renamed = next((re.sub(rule, to, name) for rule, to in names.rules if re.fullmatch(rule, name)), None)
        written[renamed or _their_name(name, form, None, "") or name] = array.T if is_dense(name) else array
    if encoder.head is not None:
        layer = encoder.head.form.layer
        written |= {f"{layer}.weight": encoder.head.weight.T, f"{layer}.bias": encoder.head.bias}
    return written


def _their_name(name: str, form: TransformersForm, head: PretrainedHead | None, prefix: str) -> str | None:
    """Their name of a tensor; None if they have none."""
    part, _, kind = name.rpartition(".")
    if name.startswith(MLM_HEAD):
        dense, norm, bias = form.mlm
        inner = {"transform": dense, "layer_norm": norm}
        return f"{inner[part.removeprefix(MLM_HEAD)]}.{kind}" if part.startswith(MLM_HEAD) else bias
    if part == "pooler.dense":
        if form.classifier and head is not None and head.form.class_ending == _SEQUENCE:
            return f"{form.classifier[0]}.{kind}"
        if not form.pooler:
            return None
    for pattern, theirs in form.names:
        match = re.fullmatch(pattern, name)
        if match:
            return prefix + match.expand(theirs)
    return prefix + name


def _first_position(encoder: PretrainedEncoder) -> int:
    """The first position in transformers, which is that behind padding's id for some backbones.

    Raises:
        CheckpointError: The vocabulary's padding has another id than transformers' code takes for padding.
    """
    keys = encoder.backbone_config.model_dump(include={"pad_token_id"})
    pad = _padding_of_vocabulary(encoder)
    if "pad_token_id" in keys and pad is not None:
        keys["pad_token_id"] = pad
    first = BACKBONES[encoder.backbone].first_position(keys)
    if first and pad is not None and first != pad + 1:
        rule = f"transformers takes the token id {first - 1} for padding in every {encoder.backbone}."
        raise CheckpointError(f"{rule} Found padding with id {pad}. Convert to a PALM folder: `--to palm`.")
    return first


def _padding_of_vocabulary(encoder: PretrainedEncoder) -> int | None:
    """The id of padding in vocab.txt; None without that file, or such a token."""
    file = encoder.files.get(VOCAB_FILE)
    tokens = file.read_text(encoding="utf-8-sig").splitlines() if file else []
    names = [line.split("\t")[0] for line in tokens]
    return next((names.index(token) for token in _PADDING if token in names), None)


def _has_mlm(encoder: PretrainedEncoder) -> bool:
    return any(name.startswith(MLM_HEAD) for name in encoder.tensors)


def _labels(head: PretrainedHead) -> dict[str, Any]:
    if not head.form.has_labels:
        return {}
    names = head.labels or tuple(str(number) for number in range(len(head.bias)))
    ids = {name: number for number, name in enumerate(names)}
    return {"id2label": {str(number): name for name, number in ids.items()}, "label2id": ids}
