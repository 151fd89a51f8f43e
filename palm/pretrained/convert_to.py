"""Writes a model as a PALM folder, or as a Hugging Face folder that transformers loads."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from palm.data.tokenizer_config import TOKENIZER_CONFIG, read_object
from palm.data.vocab import VOCAB_FILE
from palm.pretrained.convert_from import CONFIG_FILE, LOST_ROWS, ORIGIN_FILES
from palm.pretrained.encoder import (
    LATE_POSITIONS,
    POSITIONS,
    SEGMENTS,
    ArraysByName,
    Origin,
    PretrainedEncoder,
    PretrainedHead,
    split_qkv,
)
from palm.pretrained.name_maps import is_dense
from palm.pretrained.transformers_names import transformers_names
from palm.schema.fields import exported_keys
from palm.storage.atomic_directory import atomic_directory
from palm.storage.layout import WEIGHTS_FILE

_TO_TRANSFORMERS = (
    (r"embeddings\.layer_norm\.(\w+)", r"embeddings.LayerNorm.\1"),
    (r"encoder\.layers\.(\d+)\.attention\.(query|key|value)\.(\w+)", r"encoder.layer.\1.attention.self.\2.\3"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"encoder.layer.\1.attention.output.dense.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)", r"encoder.layer.\1.attention.output.LayerNorm.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.intermediate\.(\w+)", r"encoder.layer.\1.intermediate.dense.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.output\.(\w+)", r"encoder.layer.\1.output.dense.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.layer_norm\.(\w+)", r"encoder.layer.\1.output.LayerNorm.\2"),
    (r"mlm\.transform\.(\w+)", r"cls.predictions.transform.dense.\1"),
    (r"mlm\.layer_norm\.(\w+)", r"cls.predictions.transform.LayerNorm.\1"),
    (r"mlm\.bias", r"cls.predictions.bias"),
)


def write_palm(encoder: PretrainedEncoder, target: Path) -> None:
    """Write a folder for `pretrain_model_path`; tensors without a name in PALM are stored separately.

    Raises:
        CheckpointError: `target` cannot be written, or exists and was not written by PALM.
    """
    with atomic_directory(target, key="target") as folder:
        _save(encoder.tensors, folder / WEIGHTS_FILE)
        _write_json(folder / CONFIG_FILE, {"palm_backbone": encoder.backbone, **_backbone_config(encoder)})
        for name, file in encoder.files.items():
            shutil.copyfile(file, folder / name)
        if encoder.origin is not None:
            config, names, other = (folder / name for name in ORIGIN_FILES)
            config.write_bytes(encoder.origin.config.encode("utf-8"))
            _write_json(names, dict(encoder.origin.names))
            _save(encoder.origin.other, other)


def write_hugging_face(encoder: PretrainedEncoder, target: Path) -> None:
    """Write a folder that transformers loads with `from_pretrained`, and PALM too.

    Raises:
        CheckpointError: `target` cannot be written, or exists and was not written by PALM.
    """
    with atomic_directory(target, key="target") as folder:
        if encoder.origin is not None:
            _save(_in_original_form(encoder.tensors, encoder.origin), folder / WEIGHTS_FILE)
            (folder / CONFIG_FILE).write_bytes(encoder.origin.config.encode("utf-8"))
        else:
            _save(_in_transformers_names(encoder), folder / WEIGHTS_FILE)
            _write_json(folder / CONFIG_FILE, _transformers_config(encoder))
        for name, file in encoder.files.items():
            if name != CONFIG_FILE:
                shutil.copyfile(file, folder / name)
        if VOCAB_FILE in encoder.files and (encoder.origin is None or TOKENIZER_CONFIG not in encoder.files):
            given = read_object(folder / TOKENIZER_CONFIG) if TOKENIZER_CONFIG in encoder.files else {}
            longest = encoder.backbone_config.max_position_embeddings
            settings = {"tokenizer_class": "BertTokenizer", "model_max_length": longest, **given}
            _write_json(folder / TOKENIZER_CONFIG, settings)


def _in_original_form(tensors: ArraysByName, origin: Origin) -> ArraysByName:
    """Every tensor with its original name, layout and rows."""
    separate = tensors | split_qkv(tensors)
    written: ArraysByName = {}
    for name, target in origin.names.items():
        if target is None:
            written[name] = origin.other[name]
            continue
        array = separate[target].T if is_dense(target) else separate[target]
        if LOST_ROWS in origin.other and target == POSITIONS:
            array = np.concatenate([origin.other[LOST_ROWS], array])
        if target == SEGMENTS and json.loads(origin.config).get("model_type") in LATE_POSITIONS:
            array = array[: int(json.loads(origin.config).get("type_vocab_size", 1))]
        written[name] = array
    return written


def _in_transformers_names(encoder: PretrainedEncoder) -> ArraysByName:
    has_mlm = any(name.startswith("mlm.") for name in encoder.tensors)
    names = transformers_names(encoder.backbone)
    prefix = names.prefix if encoder.head or has_mlm else ""
    fused = any(".qkv" in rule for rule, _ in names.rules)
    written = {}
    for name, array in (encoder.tensors if fused else split_qkv(encoder.tensors)).items():
        rules = (*names.rules, *_TO_TRANSFORMERS)
        renamed = next((re.sub(rule, to, name) for rule, to in rules if re.fullmatch(rule, name)), name)
        written[renamed if name.startswith("mlm.") else prefix + renamed] = array.T if is_dense(name) else array
    if encoder.head is not None:
        layer = encoder.head.form.layer
        written |= {f"{layer}.weight": encoder.head.weight.T, f"{layer}.bias": encoder.head.bias}
    return written


def _transformers_config(encoder: PretrainedEncoder) -> dict[str, Any]:
    has_mlm = any(name.startswith("mlm.") for name in encoder.tensors)
    ending = encoder.head.form.class_ending if encoder.head else "ForMaskedLM" if has_mlm else "Model"
    names = transformers_names(encoder.backbone)
    keys = names.keys(_backbone_config(encoder))
    config = {"model_type": names.model_type, "architectures": [names.class_stem + ending], **keys}
    config["pad_token_id"] = 0  # nosec B105 (a vocabulary id, not a password)
    return config | (_labels(encoder.head) if encoder.head else {})


def _labels(head: PretrainedHead) -> dict[str, Any]:
    if not head.form.has_labels:
        return {}
    names = head.labels or tuple(str(number) for number in range(len(head.bias)))
    ids = {name: number for number, name in enumerate(names)}
    return {"id2label": {str(number): name for name, number in ids.items()}, "label2id": ids}


def _backbone_config(encoder: PretrainedEncoder) -> dict[str, Any]:
    found = exported_keys(encoder.backbone_config)
    return {**found, "intermediate_size": found["intermediate_size"] or 4 * found["hidden_size"]}


def _save(tensors: Mapping[str, np.ndarray], file: Path) -> None:
    # transformers only loads files that name the framework that wrote them.
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, file, metadata={"format": "pt"})


def _write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
