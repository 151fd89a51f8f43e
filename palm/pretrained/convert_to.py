"""Writes a model as a PALM folder, or as a Hugging Face folder that transformers loads."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

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
    split_qkv,
)
from palm.pretrained.name_maps import is_dense
from palm.pretrained.transformers_form import backbone_keys, in_transformers_names, transformers_config
from palm.storage.atomic_directory import atomic_directory
from palm.storage.layout import WEIGHTS_FILE


def write_palm(encoder: PretrainedEncoder, target: Path) -> None:
    """Write a folder for `pretrain_model_path`; tensors without a name in PALM are stored separately.

    Raises:
        CheckpointError: `target` cannot be written, or exists and was not written by PALM.
    """
    with atomic_directory(target, key="target") as folder:
        _save(encoder.tensors, folder / WEIGHTS_FILE)
        _write_json(folder / CONFIG_FILE, {"palm_backbone": encoder.backbone, **backbone_keys(encoder.backbone_config)})
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
            _save(in_transformers_names(encoder), folder / WEIGHTS_FILE)
            _write_json(folder / CONFIG_FILE, transformers_config(encoder))
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
    separate = split_qkv(tensors)
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


def _save(tensors: Mapping[str, np.ndarray], file: Path) -> None:
    # transformers only loads files that name the framework that wrote them.
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, file, metadata={"format": "pt"})


def _write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
