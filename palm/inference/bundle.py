"""Inference models: a task's backbone, head, vocabulary, labels and settings in one self-contained folder."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from paddle import Tensor

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.shapes import check_shapes
from palm.config.run_config import TaskConfig
from palm.config.wiring import wiring_problems
from palm.data.dataset import LabelMap
from palm.data.tokenizer import Tokenizer
from palm.engine.checkpoint import set_weights
from palm.engine.model import MultiTaskModel
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, ConfigError
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.schema.facts import keys_where
from palm.schema.fields import Kernels, ReaderFields, Schema, exported_keys
from palm.schema.places import exists
from palm.schema.saved_model import SavedComponent, SavedModel, read_saved_model, validate_keys
from palm.schema.settings import TaskSettings
from palm.schema.validate import shown
from palm.storage.atomic_directory import atomic_directory, sha256_of, verify
from palm.storage.layout import FORMAT_VERSION, MANIFEST_FILE, PALM_VERSION, WEIGHTS_FILE
from palm.storage.tensors import first_non_finite, load_tensors, save_tensors

_CONFIG_FILE = "config.json"
_HEAD = "head"
Fields = TypeVar("Fields", bound=Schema)


@dataclass(frozen=True)
class Bundle:
    """An inference model in memory.

    Attributes:
        task: Reader, paradigm and labels, without data.
        model: The backbone and the single head.
    """

    task: TaskInstance
    model: MultiTaskModel


def save_bundle(model: MultiTaskModel, task: TaskInstance, backbone_name: str, folder: Path) -> None:
    """Write the inference model of `task`, without other tasks, optimizer state or dropout."""
    own_head = f"heads.{task.head}."
    weights = {name.replace(own_head, f"{_HEAD}.", 1): tensor for name, tensor in model.weights_of(task.head).items()}
    with atomic_directory(folder) as temporary:
        save_tensors(weights, temporary / WEIGHTS_FILE)
        file = temporary / task.reader.tokenizer.save(temporary)
        described = {
            **_describe(task, {"name": backbone_name, "config": exported_keys(model.backbone_config)}),
            "tokenizer": {"name": file.name, "sha256": sha256_of(file)},
        }
        described |= {"encoder": model.encoder} if model.encoder else {}
        described |= {"amp": model.amp} if model.amp != "off" else {}
        text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
        (temporary / _CONFIG_FILE).write_text(text, encoding="utf-8")


def copy_bundle(source: Path, target: Path) -> None:
    """Copy the inference model in `source` to `target`.

    Raises:
        CheckpointError: The model is damaged, or `target` cannot be written.
    """
    verify(source)
    with atomic_directory(target) as temporary:
        for file in source.iterdir():
            if file.name != MANIFEST_FILE:
                shutil.copyfile(file, temporary / file.name)


def load_bundle(folder: Path, task_config: TaskConfig | None = None, kernels: Kernels = "auto") -> Bundle:
    """Read an inference model.

    Args:
        folder: A folder written by `save_bundle`.
        task_config: The task in the current configuration; its batch sizes apply, and those keys of its reader and
            paradigm that it sets. Without it, the settings of the training run apply.
        kernels: The encoder's kernels: `auto`, `fused` or `plain`.

    Raises:
        CheckpointError: The folder is missing, damaged, of another format, or does not fit `task`.
    """
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}: no inference model here. Train first, or name the folder that training wrote."
        )
    verify(folder)
    saved = read_saved_model(folder / _CONFIG_FILE)
    try:
        return _assemble(folder, saved, task_config, kernels)
    except ConfigError as error:  # a component's own rule, or the vocabulary's
        raise CheckpointError("\n".join(f"{folder}: {problem}" for problem in error.problems)) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        advice = "Export it again."
        raise CheckpointError(
            f"{folder / _CONFIG_FILE}: is not a valid description of a model ({error}). {advice}"
        ) from error


def _describe(task: TaskInstance, backbone: dict[str, Any]) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "palm_version": PALM_VERSION,
        "task": task.name,
        "settings": exported_keys(task.settings),
        "reader": _component(task.reader, READERS),
        "backbone": backbone,
        "paradigm": _as_single_task(_component(task.paradigm, PARADIGMS)),
        "labels": list(task.reader.labels.names) if task.reader.labels else None,
        "tag_scheme": task.reader.labels.tag_scheme if task.reader.labels else None,
        "splits_text": task.reader.labels is not None and task.reader.labels.splits_text,
    }


def _component(component: Any, registry: Any) -> dict[str, Any]:  # noqa: ANN401 (a reader or a paradigm, and its registry)
    name = next(name for name in registry if registry[name] is type(component))
    return {"name": name, "config": exported_keys(component.config)}


def _as_single_task(paradigm: dict[str, Any]) -> dict[str, Any]:
    """Without the other tasks, a model with its own layers is an ordinary one."""
    if paradigm["config"].get("sharing") == "soft":
        paradigm["config"] |= {"sharing": "hard", "sharing_layers": None}
    return paradigm


def _assemble(folder: Path, saved: SavedModel, task_config: TaskConfig | None, kernels: Kernels) -> Bundle:
    trained_as = (saved.reader.name, saved.paradigm.name)
    asked_for = (task_config.reader_name, task_config.paradigm_name) if task_config else trained_as
    if asked_for != trained_as:
        trained = f"Trained with reader `{trained_as[0]}` and paradigm `{trained_as[1]}`"
        found = f"found `{asked_for[0]}` and `{asked_for[1]}` in the configuration"
        raise CheckpointError(
            f"{folder}: a model predicts with what it was trained with. {trained}, {found}. Use the matching model."
        )
    backbone = _backbone(folder, saved.backbone, kernels)
    weights = {_own_name(name): tensor for name, tensor in load_tensors(folder / WEIGHTS_FILE).items()}
    _check_weights(folder, weights, backbone)
    task = _assemble_task(folder, saved, task_config)
    _check_fit(folder, task, backbone, saved)
    _check_head_size(folder, task, weights, backbone)
    model = MultiTaskModel(backbone, [task], seed=0)
    model.encoder, model.amp = saved.encoder, saved.amp
    set_weights(model.state_dict(), weights, where=str(folder))
    return Bundle(task, model)


def _backbone(folder: Path, saved: SavedComponent, kernels: Kernels) -> Backbone:
    kind = BACKBONES[saved.name]
    keys = {**saved.config, "kernels": kernels}
    return kind(validate_keys(kind.Config, keys, file=folder / _CONFIG_FILE, part="backbone"))


def _check_weights(folder: Path, weights: Mapping[str, Tensor], backbone: Backbone) -> None:
    """Refuse weights of another shape than the configuration says, before memory is taken for the latter."""
    file = folder / WEIGHTS_FILE
    name = first_non_finite(weights)
    if name is not None:
        raise CheckpointError(f"{file}: weights are finite numbers. Found others in `{name}`. Export the model again.")
    found = {
        name.removeprefix("backbone."): tuple(tensor.shape)
        for name, tensor in weights.items()
        if name.startswith("backbone.")
    }
    check_shapes(found, backbone.shapes(), where=str(file))


def _check_fit(folder: Path, task: TaskInstance, backbone: Backbone, saved: SavedModel) -> None:
    """Apply the rules that the configuration of a training run follows."""
    settings, reader, paradigm = task.settings, task.reader.config, task.paradigm.config
    config = TaskConfig(task.name, settings, saved.reader.name, reader, saved.paradigm.name, paradigm, task.head)
    problems = list(wiring_problems([config], backbone, task.reader.tokenizer, "train"))
    if problems:
        raise CheckpointError("\n".join(f"{folder}: {problem.message}" for problem in problems))


def _check_head_size(folder: Path, task: TaskInstance, weights: Mapping[str, Tensor], backbone: Backbone) -> None:
    """Refuse a head larger than its weights, before memory is allocated for it."""
    longest = max((length for tensor in weights.values() for length in tensor.shape), default=0)
    lengths = [*task.paradigm.head_shape(backbone.config), task.paradigm.config.sharing_size]
    too_large = [size for size in lengths if isinstance(size, int) and size > longest]
    if too_large:
        rule = f"the head is no larger than its weights, which have at most {longest} rows or columns."
        raise CheckpointError(f"{folder / _CONFIG_FILE}: {rule} Found {too_large[0]}. Export the model again.")


def _assemble_task(folder: Path, saved: SavedModel, task_config: TaskConfig | None) -> TaskInstance:
    reader_class, paradigm_class = READERS[saved.reader.name], PARADIGMS[saved.paradigm.name]
    reader_config = _merged(
        saved.reader, reader_class.Config, task_config.reader if task_config else None, folder, part="reader"
    )
    paradigm_config = _merged(
        saved.paradigm, paradigm_class.Config, task_config.paradigm if task_config else None, folder, part="paradigm"
    )
    labels = None if saved.labels is None else LabelMap(tuple(saved.labels), saved.tag_scheme, saved.splits_text)
    tokenizer = _tokenizer(folder, saved, reader_config)
    return TaskInstance(
        name=saved.task,
        settings=_settings(saved, task_config, folder),
        reader=reader_class(reader_config, tokenizer, labels),
        paradigm=paradigm_class(paradigm_config, labels, vocab=tokenizer.readable_tokens),
        head=_HEAD,
        seed=0,
    )


def _tokenizer(folder: Path, saved: SavedModel, config: ReaderFields) -> Tokenizer:
    """The tokenizer in the folder, if it is the one that the model was trained with."""
    if saved.tokenizer is not None:
        file = folder / Path(saved.tokenizer.name).name
        if not exists(file) or sha256_of(file) != saved.tokenizer.sha256:
            rule = f"a model predicts with its own tokenizer, {shown(file.name)}. Found none, or another one."
            raise CheckpointError(f"{folder}: {rule} Export the model again, or use another copy.")
    return Tokenizer.from_folder(folder, do_lower_case=config.do_lower_case, for_cn=config.for_cn)


def _settings(saved: SavedModel, task_config: TaskConfig | None, folder: Path) -> TaskSettings:
    """The task's settings in the current configuration, but the encoder layer that the head was trained on."""
    trained = validate_keys(TaskSettings, saved.settings, file=folder / _CONFIG_FILE, part="settings")
    if task_config is None:
        return trained
    current = task_config.settings
    fixed = _fixed_keys(TaskSettings, trained, current.model_dump(include=current.model_fields_set), folder)
    return current.model_copy(update=fixed)


def _merged(saved: SavedComponent, schema: type[Fields], wanted: Schema | None, folder: Path, *, part: str) -> Fields:
    """The saved keys, and over them those that the configuration sets now."""
    file = folder / _CONFIG_FILE
    trained = validate_keys(schema, saved.config, file=file, part=part)
    if wanted is None:
        return trained
    kept = keys_where(schema.model_fields, export="kept")
    explicit = wanted.model_dump(include=wanted.model_fields_set, exclude=set(kept))
    _fixed_keys(schema, trained, explicit, folder)
    return validate_keys(schema, {**saved.config, **explicit}, file=file, part=part)


def _fixed_keys(schema: type[Schema], trained: Schema, explicit: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The keys that an exported model keeps, with their values; refused if the configuration sets another value."""
    fixed = {key: getattr(trained, key) for key in keys_where(schema.model_fields, export="fixed")}
    changed = [key for key, value in fixed.items() if explicit.get(key, value) != value]
    if changed:
        key = changed[0]
        found = f"Trained with {fixed[key]}, found {explicit[key]} in the configuration"
        raise CheckpointError(
            f"{folder}: `{key}` must have its value from training. {found}. Set it back, or train again."
        )
    return fixed


def _own_name(name: str) -> str:
    """The model's name of a weight: exported heads lack the prefix `heads.`."""
    return f"heads.{name}" if name.startswith(f"{_HEAD}.") else name
