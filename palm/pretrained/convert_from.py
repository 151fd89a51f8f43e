"""Reads models to convert: a Hugging Face folder, a PALM folder, an inference model, or Paddle's files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.config_json import BACKBONE_FILES, load_backbone_file, next_to_weights
from palm.backbone.ernie import ErnieConfig
from palm.backbone.find import config_problems, found_backbone, registered_name
from palm.backbone.shapes import check_shapes
from palm.data.vocab import VOCAB_FILE
from palm.errors import CheckpointError, ConfigError, counted
from palm.paradigm import PARADIGMS, Paradigm
from palm.pretrained.encoder import (
    POSITIONS,
    SEGMENTS,
    ArraysByName,
    Origin,
    PretrainedEncoder,
    PretrainedHead,
    split_qkv,
)
from palm.pretrained.find import find_weights
from palm.pretrained.load import NOT_NEEDED, config_defaults_for, from_zero, read_tensors
from palm.pretrained.name_maps import rename, targets_of
from palm.pretrained.safetensors_files import read_safetensors
from palm.pretrained.transformers_names import transformers_names
from palm.schema.fields import BackboneFields
from palm.schema.run_settings import RunSettings
from palm.schema.saved_model import (
    SavedComponent,
    describes_run,
    read_json_object,
    read_saved_model,
    read_saved_run,
    validate_keys,
)
from palm.schema.settings import TaskSettings
from palm.schema.validate import shown
from palm.schema.values import Setting
from palm.storage.atomic_directory import verify
from palm.storage.layout import MANIFEST_FILE, WEIGHTS_FILE

CONFIG_FILE = "config.json"
ORIGIN_FILES = ("hugging_face.config.json", "hugging_face.names.json", "hugging_face.other.safetensors")
LOST_ROWS = "rows of embeddings.position_embeddings"

_COPIED = (
    VOCAB_FILE, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "spm.model",
    "README.md", "LICENSE", "LICENSE.txt", "NOTICE",
)  # fmt: skip
_COPY = "Use another copy."
_DEFAULT_BACKBONE = str(RunSettings.model_fields["backbone"].default)


def read_encoder(path: Path) -> PretrainedEncoder:
    """Read the model at `path`.

    Raises:
        CheckpointError: The model is missing, damaged, or of an unsupported kind.
        ConfigError: Its config is wrong or missing.
    """
    config = read_json_object(path / CONFIG_FILE) if (path / CONFIG_FILE).is_file() else {}
    if "format_version" in config and "paradigm" in config:
        return _inference_model(path)
    if describes_run(config):
        return _run_model(path)
    if "palm_backbone" in config:
        return _palm_folder(path, config)
    return _foreign(path)


def is_palm_model(path: Path) -> bool:
    """Whether PALM wrote the model at `path`: a PALM folder or an inference model."""
    if not (path / CONFIG_FILE).is_file():
        return False
    config = read_json_object(path / CONFIG_FILE)
    inference_model = "format_version" in config and ("paradigm" in config or "tasks" in config)
    return "palm_backbone" in config or inference_model


def _inference_model(path: Path) -> PretrainedEncoder:
    verify(path)
    file = path / CONFIG_FILE
    description, saved = read_saved_model(file), read_safetensors(path / WEIGHTS_FILE)
    kind = BACKBONES[description.backbone.name]
    backbone_config = validate_keys(kind.Config, description.backbone.config, file=file, part="backbone")
    encoder = {key.removeprefix("backbone."): array for key, array in saved.items() if key.startswith("backbone.")}
    _check_shapes(path / WEIGHTS_FILE, encoder, kind(backbone_config))
    own = {key.removeprefix("head."): array for key, array in saved.items() if key.startswith("head.")}
    paradigm = _paradigm(description.paradigm, file)
    # With more or less than a masked language model head, as of a prompt with vectors, it is none of transformers.
    if paradigm is not None and paradigm.pretrained_head is not None and own.keys() == _mlm_names(backbone_config):
        joined = encoder | {f"{paradigm.pretrained_head}{key}": array for key, array in own.items()}
        return PretrainedEncoder(description.backbone.name, backbone_config, joined, _copied(path))
    head, form = None, paradigm.transformers_head if paradigm else None
    # In transformers, heads use the last layer.
    layer = validate_keys(TaskSettings, description.settings, file=file, part="settings").layer
    depth = backbone_config.num_hidden_layers
    if not -depth <= layer < depth:
        raise CheckpointError(f"{file}: layer is an index into {depth} encoder layers. Found {layer}. {_COPY}")
    last = layer in (-1, depth - 1)
    heads = transformers_names(description.backbone.name).heads
    fits = form is not None and (heads is None or form.class_ending in heads)
    if form is not None and fits and last and set(own) == {"linear.weight", "linear.bias"}:
        weight, bias, labels = own["linear.weight"], own["linear.bias"], tuple(description.labels or ())
        _check_head(path / WEIGHTS_FILE, weight, bias, labels, backbone_config.hidden_size)
        head = PretrainedHead(description.paradigm.name, form, weight, bias, labels)
    left_out = () if head else tuple(f"head.{key}" for key in own)
    name = description.backbone.name
    return PretrainedEncoder(name, backbone_config, encoder, _copied(path), head=head, left_out=left_out)


def _mlm_names(config: BackboneFields) -> set[str]:
    """The parameters of the encoder's masked language model head."""
    form = config.mlm_head()
    some = {
        "transform.bias": form.transform_bias, "layer_norm.bias": form.norm_bias, "bias": form.decoder_bias
    }  # fmt: skip
    return {"transform.weight", "layer_norm.weight", *(name for name, there in some.items() if there)}


def _run_model(path: Path) -> PretrainedEncoder:
    """The encoder of a model of several tasks, without their heads."""
    verify(path)
    file = path / CONFIG_FILE
    name, keys = (saved := read_saved_run(path).backbone).name, saved.config
    kind = BACKBONES[name]
    backbone_config = validate_keys(kind.Config, keys, file=file, part="backbone")
    weights = read_safetensors(path / WEIGHTS_FILE)
    encoder = {key.removeprefix("backbone."): array for key, array in weights.items() if key.startswith("backbone.")}
    _check_shapes(path / WEIGHTS_FILE, encoder, kind(backbone_config))
    left_out = tuple(key for key in weights if not key.startswith("backbone."))
    return PretrainedEncoder(name, backbone_config, encoder, _copied(path), left_out=left_out)


def _paradigm(saved: SavedComponent, file: Path) -> Paradigm | None:
    """The paradigm of an inference model; None for a user's whose module has not been imported."""
    if saved.name not in PARADIGMS:
        return None
    paradigm = PARADIGMS[saved.name]
    return paradigm(validate_keys(paradigm.Config, saved.config, file=file, part="paradigm"))


def _check_head(file: Path, weight: np.ndarray, bias: np.ndarray, labels: Sequence[str], width: int) -> None:
    outputs = len(labels) or bias.size
    if weight.shape != (width, outputs) or bias.shape != (outputs,):
        rule = f"a head on an encoder {width} wide has a weight [{width}, class] and a bias [class]"
        count = f" with {len(labels)} classes" if labels else ""
        found = f"Found {list(weight.shape)} and {list(bias.shape)}"
        raise CheckpointError(f"{file}: {rule}{count}. {found}. Export the model again.")


def _check_shapes(file: Path, tensors: ArraysByName, backbone: Backbone, *, partial: bool = False) -> None:
    width, heads = backbone.config.hidden_size, backbone.config.num_attention_heads
    if width % heads:
        raise CheckpointError(
            f"{file}: num_attention_heads must divide hidden_size. Found {width} and {heads}. {_COPY}"
        )
    check_shapes(
        {name: array.shape for name, array in tensors.items()}, backbone.shapes(), where=str(file), partial=partial
    )


def _palm_folder(path: Path, config: Mapping[str, Any]) -> PretrainedEncoder:
    if (path / MANIFEST_FILE).is_file():
        verify(path)
    name = str(config["palm_backbone"])
    backbone = BACKBONES[name](BACKBONES[name].read_config(path / CONFIG_FILE, owner=str(path)))
    tensors = read_safetensors(path / WEIGHTS_FILE)
    _check_shapes(path / WEIGHTS_FILE, tensors, backbone, partial=True)
    origin = _origin(path, tensors) if (path / ORIGIN_FILES[0]).is_file() else None
    return PretrainedEncoder(name, backbone.config, tensors, _copied(path), origin)


def _origin(folder: Path, tensors: ArraysByName) -> Origin:
    config, names, rest = (folder / name for name in ORIGIN_FILES)
    segments = read_json_object(config).get("type_vocab_size", 1)
    least = 1 if SEGMENTS in tensors else 0
    if type(segments) is not int or segments < least:
        raise CheckpointError(
            f"{config}: type_vocab_size is a whole number, at least {least}. Found {shown(segments)}. {_COPY}"
        )
    listed, other = read_json_object(names), read_safetensors(rest)
    known = {*split_qkv(tensors), *tensors}
    lost = [
        name
        for name, target in listed.items()
        if (name not in other if target is None else not isinstance(target, str) or target not in known)
    ]
    if lost:
        rule = "names the parameter that each tensor became, or none where it was kept beside."
        raise CheckpointError(f"{names}: {rule} Found {shown(lost[0])}: {shown(listed[lost[0]])}. {_COPY}")
    return Origin(config.read_bytes().decode("utf-8-sig"), listed, other)


def _foreign(path: Path) -> PretrainedEncoder:
    found = find_weights(path)
    raw = read_tensors(found)
    renamed = rename(raw, str(found.path))
    config_file = next_to_weights(path, BACKBONE_FILES)
    if config_file is None:
        rule = "an encoder needs a config.json next to its weights."
        raise CheckpointError(f"{path}: {rule} Found none. Add one.")
    config = read_json_object(config_file)
    kind = _kind_of(config_file, renamed.tensors)
    backbone_config = kind.read_config({**config_defaults_for(path), **config}, owner=str(config_file))
    tensors = from_zero(renamed.tensors, kind, config, found.path) if renamed.layout != "PALM" else renamed.tensors
    if isinstance(backbone_config, ErnieConfig) and kind.known_by not in tensors:
        backbone_config = backbone_config.model_copy(update={"use_task_id": False})
    origin = None
    if renamed.layout == "Hugging Face":
        other = {name: raw[name] for name, target in targets_of(raw).items() if target is None}
        first = kind.first_position(config)
        other |= {LOST_ROWS: renamed.tensors[POSITIONS][:first]} if first else {}
        origin = Origin(config_file.read_bytes().decode("utf-8-sig"), targets_of(raw), other)
    backbone = kind(backbone_config)
    _check_whole(path, tensors, backbone)
    _check_shapes(path, tensors, backbone, partial=True)
    return PretrainedEncoder(
        registered_name(kind),
        backbone_config,
        tensors,
        _copied(config_file.parent),
        origin,
        left_out=renamed.unknown,
    )


def _kind_of(config_file: Path, tensors: ArraysByName) -> type[Backbone]:
    """The backbone of an encoder: that of its config.json, or else that of a parameter which no other has."""
    layer, problems = load_backbone_file(Setting("config", str(config_file), str(config_file)))
    if problems:
        raise ConfigError(problems)
    marked = (name for name in BACKBONES if BACKBONES[name].known_by in tensors)
    kind = found_backbone(layer) or BACKBONES[next(marked, _DEFAULT_BACKBONE)]
    problems = config_problems(kind, layer)
    if problems:
        raise ConfigError(problems)
    return kind


def _check_whole(path: Path, tensors: ArraysByName, backbone: Backbone) -> None:
    depth = backbone.config.num_hidden_layers
    missing = [name for name in backbone.shapes() if name not in tensors and not name.startswith(NOT_NEEDED)]
    beyond = f"encoder.layers.{depth}.ffn.output.weight"
    if missing or beyond in tensors:
        found = f"no `{missing[0]}`" if missing else f"`{beyond}`"
        rule = f"config.json sets {counted(depth, 'layer')}, the weights differ in number or architecture."
        raise CheckpointError(f"{path}: {rule} Found {found}. {_COPY}")


def _copied(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in _COPIED if (folder / name).is_file()}
