"""Reads pre-trained weights in all formats, and copies them into a model with a report of what did not match."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.config_json import BACKBONE_FILES, load_backbone_file, next_to_weights
from palm.backbone.find import config_problems, found_backbone, registered_name
from palm.errors import CheckpointError, ConfigError
from palm.pretrained.encoder import POSITIONS
from palm.pretrained.find import Format, WeightsFile, find_weights
from palm.pretrained.name_maps import rename
from palm.pretrained.paddle1x import read_archive, read_folder
from palm.pretrained.pdparams import read_pdparams
from palm.pretrained.safetensors_files import read_safetensors, read_shards, shard_of
from palm.pretrained.torch_files import read_torch
from palm.schema.values import Setting

if TYPE_CHECKING:
    from paddle import nn

MLM_HEAD = "mlm."
NOT_NEEDED = ("pooler.", "embeddings.task_type_embeddings.")
"""Starts of the names of parameters that weights may lack: a pooler is then new, task embeddings are zero."""

_TASK_EMBEDDINGS = "embeddings.task_type_embeddings.weight"
_LISTED = 5
_LOWER_HALF = np.uint32(0xFFFF)  # of a float32; zero where it has been a bfloat16
_COPY = "Use another copy, or other weights."

_READERS: Mapping[Format, Callable[[Path], dict[str, np.ndarray]]] = {
    "safetensors": read_safetensors,
    "shards": read_shards,
    "pdparams": read_pdparams,
    "paddle1x": read_folder,
    "paddle1x archive": read_archive,
    "torch": read_torch,
    "torch shards": partial(read_shards, read=read_torch),
}

# Epsilon of layer normalisation that is set in the model's own code, but not in its config.json:
# PaddlePALM 0.2.1 (1e-6 in every layer_norm) and PaddleNLP (nn.LayerNorm's default).
_EPSILON: Mapping[Format, float] = {"paddle1x": 1e-6, "paddle1x archive": 1e-6, "pdparams": 1e-5}


@dataclass(frozen=True)
class PretrainedWeights:
    """Weights under PALM's names.

    Attributes:
        tensors: float32 arrays of the encoder, and of the masked-language-model head under `mlm.*`.
        source: Their origin, for messages.
        config: Backbone keys that these weights require unless the user's configuration sets them.
        unknown: Names in the file that PALM does not know.
    """

    tensors: Mapping[str, np.ndarray]
    source: str
    config: Mapping[str, object]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadReport:
    """The result of loading weights.

    Attributes:
        loaded: Parameters of the model that were loaded.
        missing: Parameters of the model that were not in the file.
        unexpected: Tensors of the file that are no parameters of the model.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


def load_pretrained(path: Path | str, kind: type[Backbone] | None = None) -> PretrainedWeights:
    """Read weights from a Hugging Face folder or file, a `.pdparams` file, or a Paddle 1.x folder or archive.

    Args:
        path: The weights.
        kind: The backbone that they are for; by default that of the config.json next to them.

    Raises:
        CheckpointError: The weights are missing, damaged, unsafe, not finite, or of another kind of encoder.
    """
    found = find_weights(Path(path))
    kind, config = _backbone_for(Path(path), kind)
    raw = read_tensors(found)
    renamed = rename(raw, str(found.path))
    if kind is not None:
        _refuse_other_parts(renamed.tensors, kind, str(path))
    _refuse_non_finite(found, {name: array for name, array in raw.items() if name not in renamed.unknown})
    own = (
        renamed.tensors if renamed.layout == "PALM" or kind is None else from_zero(renamed.tensors, kind, config, path)
    )
    tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in own.items()}
    source = f"{path} ({renamed.layout}{_precision(raw)})"
    return PretrainedWeights(tensors, source, _defaults(found.format), renamed.unknown)


def read_tensors(found: WeightsFile) -> dict[str, np.ndarray]:
    """The tensors of a weights file, with their original names and layout.

    Raises:
        CheckpointError: It is damaged or unsafe.
    """
    return _READERS[found.format](found.path)


def config_defaults_for(path: Path | str) -> dict[str, object]:
    """Defaults of backbone keys for the weights at `path`; a configuration overrides them.

    Raises:
        CheckpointError: No readable weights.
    """
    return _defaults(find_weights(Path(path)).format)


def apply_pretrained(layers: "nn.Layer", weights: PretrainedWeights, prefix: str = "") -> LoadReport:
    """Copy `weights` into the parameters of `layers` that have the same names.

    Task embeddings that the weights lack become zero, so that a model pre-trained without them computes the same.

    Args:
        layers: The layers of a backbone, or of a head with its `prefix`.
        weights: The result of `load_pretrained`.
        prefix: Load the tensors whose names start with it, such as `mlm.`; by default those of the encoder.

    Raises:
        CheckpointError: No name matches, or a shape differs; then nothing is copied.
    """
    offered = _offered(weights, prefix)
    parameters = dict(layers.named_parameters())
    loaded = tuple(name for name in parameters if name in offered)
    if not loaded:
        raise CheckpointError(_nothing_matched(weights, list(parameters)))
    wrong = [name for name in loaded if tuple(parameters[name].shape) != offered[name].shape]
    if wrong:
        raise CheckpointError(
            "\n".join(_wrong_shape(weights, name, parameters[name].shape, offered[name].shape) for name in wrong)
        )
    for name in loaded:
        parameters[name].set_value(offered[name])
    if not prefix and _TASK_EMBEDDINGS in parameters and _TASK_EMBEDDINGS not in offered:
        parameters[_TASK_EMBEDDINGS].set_value(np.zeros(parameters[_TASK_EMBEDDINGS].shape, np.float32))
    missing = tuple(name for name in parameters if name not in offered)
    unexpected = tuple(prefix + name for name in offered if name not in parameters)
    return LoadReport(loaded, missing, unexpected if prefix else unexpected + weights.unknown)


def _offered(weights: PretrainedWeights, prefix: str) -> dict[str, np.ndarray]:
    if prefix:
        return {name.removeprefix(prefix): array for name, array in weights.tensors.items() if name.startswith(prefix)}
    return {name: array for name, array in weights.tensors.items() if not name.startswith(MLM_HEAD)}


def _defaults(kind: Format) -> dict[str, object]:
    return {"layer_norm_eps": _EPSILON[kind]} if kind in _EPSILON else {}


def _refuse_non_finite(found: WeightsFile, tensors: Mapping[str, np.ndarray]) -> None:
    """Refuse a NaN or an Inf also where no example leads to it: training would go on, and its model be worthless."""
    for name, array in tensors.items():
        if array.dtype.kind not in "fiu":
            raise CheckpointError(
                f"{_file_of(found, name)}: weights are numbers. Found {array.dtype} in `{name}`. {_COPY}"
            )
        with np.errstate(over="ignore"):
            values = np.asarray(array, np.float32)
        if not np.isfinite(values).all():
            place = tuple(int(index) for index in np.argwhere(~np.isfinite(values))[0])
            value = float(array[place])
            rule = "weights are finite numbers of float32."
            advice = "Use another copy, or other weights."
            raise CheckpointError(
                f"{_file_of(found, name)}: {rule} Found {value} in `{name}` at {list(place)}. {advice}"
            )


def _precision(tensors: Mapping[str, np.ndarray]) -> str:
    """`, float16` or `, bfloat16` for weights that have been stored so; they become float32."""
    floats = [array for array in tensors.values() if array.dtype.kind == "f" and array.size]
    if any(array.dtype == np.float16 for array in floats):
        return ", float16"
    whole = [np.ascontiguousarray(array).view(np.uint32) for array in floats if array.dtype == np.float32]
    largest = max(whole, key=np.size, default=None)
    return ", bfloat16" if largest is not None and largest.any() and not (largest & _LOWER_HALF).any() else ""


def _file_of(found: WeightsFile, name: str) -> Path:
    """The file that holds the tensor `name`."""
    if found.format in ("shards", "torch shards"):
        return found.path.with_name(shard_of(found.path, name))
    return found.path / name if found.format == "paddle1x" else found.path


def from_zero(
    tensors: Mapping[str, np.ndarray], kind: type[Backbone], config: Mapping[str, object], source: Path | str
) -> dict[str, np.ndarray]:
    """The tensors with a position table that starts with the first token's, as in PALM.

    Args:
        tensors: Those of an encoder of transformers or PaddleNLP, under PALM's names.
        kind: Its backbone.
        config: Its config.json.
        source: The weights, for messages.

    Raises:
        CheckpointError: The table has no more rows than are cut off.
    """
    first, table = kind.first_position(config), tensors.get(POSITIONS)
    if not first or table is None:
        return dict(tensors)
    if len(table) <= first:
        rule = f"positions start behind the first {first} rows of the table (pad_token_id in config.json)."
        raise CheckpointError(f"{source}: {rule} Found {len(table)} rows. {_COPY}")
    return {**tensors, POSITIONS: np.ascontiguousarray(table[first:])}


def _backbone_for(path: Path, kind: type[Backbone] | None) -> tuple[type[Backbone] | None, Mapping[str, object]]:
    """The backbone of the weights at `path`, and their config.json: `kind`, else by that; None where that says nothing.

    Raises:
        CheckpointError: An encoder that has similar names but another computation, as its config.json says.
    """
    file = next_to_weights(path, BACKBONE_FILES)
    if file is None:
        return kind, {}
    layer, _ = load_backbone_file(Setting("config", str(file), str(path)))  # problems: where the config is read
    try:
        found = kind or found_backbone(layer)
        problems = config_problems(found, layer) if found else []
    except ConfigError as error:
        raise CheckpointError(str(error)) from None
    if problems:
        raise CheckpointError("\n".join(map(str, problems)))
    return found, {key: setting.value for key, setting in layer.items()}


def _refuse_other_parts(tensors: Mapping[str, np.ndarray], kind: type[Backbone], source: str) -> None:
    """Refuse parameters that only another backbone has, rather than compute without them."""
    for name in BACKBONES if kind.model_types else ():
        mark = BACKBONES[name].known_by
        if mark is not None and mark in tensors and kind.known_by != mark:
            found = f"Found `{mark}`, of an encoder of `{name}`"
            rule = f"weights for `{registered_name(kind)}` are those of such an encoder."
            raise CheckpointError(f"{source}: {rule} {found}. Set `backbone: {name}`.")


def _nothing_matched(weights: PretrainedWeights, expected: list[str]) -> str:
    names = [*weights.tensors, *weights.unknown]
    found = ", ".join(names[:_LISTED]) or "none"
    return (
        f"{weights.source}: none of the {len(names)} tensors is a parameter of this model. Found {found} …; expected "
        f"{', '.join(expected[:_LISTED])} …. Use weights of this kind of encoder."
    )


def _wrong_shape(weights: PretrainedWeights, name: str, expected: list[int], found: tuple[int, ...]) -> str:
    rule = f"the model's `{name}` is {list(expected)}, the weights' is {list(found)}."
    return f"{weights.source}: {rule} {_advice(name, expected, found)}."


def _advice(name: str, expected: list[int], found: tuple[int, ...]) -> str:
    """The key that determines the differing axis."""
    keys = {
        ("embeddings.word_embeddings.weight", 0): "vocab_size",
        ("bias", 0): "vocab_size",
        ("embeddings.position_embeddings.weight", 0): "max_position_embeddings",
        ("embeddings.token_type_embeddings.weight", 0): "type_vocab_size",
        ("embeddings.task_type_embeddings.weight", 0): "task_type_vocab_size",
        ("ffn.intermediate.weight", 1): "intermediate_size",
        ("ffn.intermediate.bias", 0): "intermediate_size",
        ("ffn.output.weight", 0): "intermediate_size",
    }
    differing = [axis for axis, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]]
    short = name[name.find("ffn.") :] if "ffn." in name else name
    key = keys.get((short, differing[0])) if len(differing) == 1 and len(expected) == len(found) else None
    if key is None:
        return "Use the config.json of these weights"
    return f"Set {key} to {found[differing[0]]}" + (", and use their vocabulary" if key == "vocab_size" else "")
