"""Inference models: an encoder and the heads of tasks, with vocabulary, labels and settings, in one folder.

`save_bundle` writes one task's, `save_run` that of a run, with all heads. Both are read on one road.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paddle
from paddle import Tensor

from palm.config.run_config import TaskConfig
from palm.engine.checkpoint import set_weights
from palm.engine.model import MultiTaskModel
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, ConfigError, Problem
from palm.inference.exported import is_exported
from palm.inference.model_card import MODEL_CARD_FILE
from palm.inference.run_card import ModelOrigin, card_of
from palm.inference.saved_tasks import (
    backbone_of,
    check_weights,
    description_errors,
    head_weights,
    load_tasks,
    weights_for,
)
from palm.inference.tokenizer_files import save_own_tokenizers, save_tokenizer
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.schema.fields import Kernels, exported_keys
from palm.schema.saved_model import SINGLE_HEAD, SavedRun, read_saved_run
from palm.storage.atomic_directory import atomic_directory, verify
from palm.storage.layout import CONFIG_FILE, FORMAT_VERSION, MANIFEST_FILE, PALM_VERSION, WEIGHTS_FILE
from palm.storage.tensors import first_non_finite, save_tensors, size_in_bytes


@dataclass(frozen=True)
class Bundle:
    """An inference model of one task in memory.

    Attributes:
        task: Reader, paradigm and labels, without data.
        model: The backbone and the single head.
    """

    task: TaskInstance
    model: MultiTaskModel


@dataclass(frozen=True)
class LoadedRun:
    """A model of several tasks in memory.

    Attributes:
        saved: Its description.
        tasks: The tasks that were asked for, without data.
        model: The backbone, and the heads of these tasks.
    """

    saved: SavedRun
    tasks: Sequence[TaskInstance]
    model: MultiTaskModel


@dataclass(frozen=True)
class RunFacts:
    """What the model of a run says of its moment.

    Attributes:
        global_step: The global step of its weights.
        metrics: Dev metrics of each task for these weights, where they were evaluated.
        data: What each task was trained on, as in data.json of a checkpoint.
        origin: Where the model comes from, for its model card.
    """

    global_step: int
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    origin: ModelOrigin = field(default_factory=ModelOrigin)

    def of_task(self, task: str) -> dict[str, object]:
        """What config.json says of `task`."""
        parts = {"metrics": self.metrics, "data": self.data}
        return {name: dict(part[task]) for name, part in parts.items() if task in part}


def save_bundle(model: MultiTaskModel, task: TaskInstance, backbone_name: str, folder: Path) -> None:
    """Write the inference model of `task`, without other tasks, optimizer state or dropout."""
    own_head = f"heads.{task.head}."
    weights = {
        name.replace(own_head, f"{SINGLE_HEAD}.", 1): tensor for name, tensor in model.weights_of(task.head).items()
    }
    described = _describe_task(task)
    described["paradigm"] = _as_single_task(described["paradigm"])
    with atomic_directory(folder) as temporary:
        save_tensors(weights, temporary / WEIGHTS_FILE)
        tokenizer = save_tokenizer(task.reader.tokenizer, temporary)
        _write_description(temporary, {"task": task.name, **described, "tokenizer": tokenizer}, model, backbone_name)


def save_run(
    model: MultiTaskModel,
    tasks: Sequence[TaskInstance],
    *,
    backbone_name: str,
    folder: Path,
    facts: RunFacts,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write one model of all `tasks`: the encoder once, and the head of each.

    Unlike in a single task's model, layers that a task has of its own stay beside the shared ones, under its head.

    Args:
        model: The model.
        tasks: The tasks.
        backbone_name: The backbone's registered name.
        folder: Where to.
        facts: What it says of its moment.
        weights: The weights to write, such as those of a checkpoint; by default those of the model.

    Raises:
        CheckpointError: The folder cannot be written, or a number is not finite. What was there before is untouched.
    """
    prefixes = ("backbone.", *(f"heads.{task.head}." for task in tasks))
    every = model.state_dict() if weights is None else weights
    weights = {name: tensor for name, tensor in every.items() if name.startswith(prefixes)}
    with atomic_directory(folder, needs=size_in_bytes(weights)) as temporary:
        save_tensors(weights, temporary / WEIGHTS_FILE)
        tokenizer = save_tokenizer(tasks[0].reader.tokenizer, temporary)
        described = {
            task.name: {"head": task.head, **_describe_task(task), **facts.of_task(task.name), **own}
            for task, own in zip(tasks, save_own_tokenizers(tasks, temporary), strict=True)
        }
        head = {"global_step": facts.global_step, "tokenizer": tokenizer}
        _write_description(temporary, {**head, "tasks": described}, model, backbone_name)
        card = card_of(read_saved_run(temporary), facts.origin)
        (temporary / MODEL_CARD_FILE).write_text(card, encoding="utf-8")


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
    """Read one task's inference model, or one task of a run's model.

    Args:
        folder: A folder written by `save_bundle` or `save_run`.
        task_config: The task in the current configuration; its batch sizes apply, and those keys of its reader and
            paradigm that it sets. Without it, the settings of the training run apply.
        kernels: The encoder's kernels: `auto`, `fused` or `plain`.

    Raises:
        CheckpointError: The folder is missing, damaged, of another format, or does not fit `task`.
        ConfigError: The model is one of several tasks, and none or none of these is asked for.
    """
    loaded = _load(folder, lambda saved: [_single_task(folder, saved, task_config)], task_config, kernels)
    return Bundle(loaded.tasks[0], loaded.model)


def load_run(folder: Path, names: Sequence[str] | None = None, kernels: Kernels = "auto") -> LoadedRun:
    """Read a model of several tasks, or of one.

    Args:
        folder: A folder written by `save_run` or `save_bundle`.
        names: The tasks to read; all of them by default.
        kernels: The encoder's kernels: `auto`, `fused` or `plain`.

    Raises:
        CheckpointError: The folder is missing, damaged, or of another format.
        ConfigError: It has no such task.
    """
    return _load(folder, lambda _: names, None, kernels)


def _load(
    folder: Path,
    choose: Callable[[SavedRun], Sequence[str] | None],
    task_config: TaskConfig | None,
    kernels: Kernels,
) -> LoadedRun:
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}: no inference model here. Train first, or name the folder that training wrote."
        )
    if is_exported(folder):
        rule = "weights are expected, and `palm export` writes a graph for other programs."
        advice = "`palm.load`, `palm pred` and `palm eval --file` take this folder itself; else name the trained model."
        raise CheckpointError(f"{folder}: {rule} {advice}")
    verify(folder)
    saved = read_saved_run(folder)
    tasks = load_tasks(folder, saved, choose(saved), task_config)
    with description_errors(folder):
        return LoadedRun(saved, tasks, _build(folder, saved, tasks, kernels))


def _single_task(folder: Path, saved: SavedRun, task_config: TaskConfig | None) -> str:
    """The task of a model to read alone."""
    if len(saved.tasks) == 1 and (task_config is None or not saved.of_run):
        return next(iter(saved.tasks))
    listed = ", ".join(saved.tasks)
    if task_config is None:
        rule = f"{folder} is a model of several tasks ({listed})"
        raise ConfigError(Problem("Predictor", f"{rule}. Load it with palm.load, or name the model of one task."))
    if task_config.name not in saved.tasks:
        raise ConfigError(Problem("task", f"{folder} has no task `{task_config.name}`. Its tasks: {listed}."))
    return task_config.name


def _build(folder: Path, saved: SavedRun, tasks: Sequence[TaskInstance], kernels: Kernels) -> MultiTaskModel:
    """The model with its weights."""
    backbone = backbone_of(folder, saved, kernels)
    arrays = weights_for(head_weights(folder, saved), saved, tasks)
    weights: dict[str, Tensor] = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    name = first_non_finite(weights)
    if name is not None:
        rule = f"weights are finite numbers. Found others in `{name}`. Export the model again."
        raise CheckpointError(f"{folder / WEIGHTS_FILE}: {rule}")
    check_weights(folder, arrays, backbone, tasks)
    model = MultiTaskModel(backbone, tasks, seed=0)
    model.encoder, model.amp = saved.encoder, saved.amp
    set_weights(model.state_dict(), weights, where=str(folder))
    return model


def _describe_task(task: TaskInstance) -> dict[str, Any]:
    labels = task.reader.labels
    return {
        "settings": exported_keys(task.settings),
        "reader": _component(task.reader, READERS),
        "paradigm": _component(task.paradigm, PARADIGMS),
        "labels": list(labels.names) if labels else None,
        "tag_scheme": labels.tag_scheme if labels else None,
        "splits_text": labels is not None and labels.splits_text,
        **({"label_words": labels.words} if labels and labels.words else {}),
        **({"relations": list(labels.relations)} if labels and labels.relations else {}),
    }


def _write_description(folder: Path, described: dict[str, Any], model: MultiTaskModel, backbone_name: str) -> None:
    """Write config.json, with what is true of the whole model."""
    content = {
        "format_version": FORMAT_VERSION,
        "palm_version": PALM_VERSION,
        "backbone": {"name": backbone_name, "config": exported_keys(model.backbone_config)},
        **described,
    }
    content |= {"encoder": model.encoder} if model.encoder else {}
    content |= {"amp": model.amp} if model.amp != "off" else {}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")


def _component(component: Any, registry: Any) -> dict[str, Any]:  # noqa: ANN401 (a reader or a paradigm, and its registry)
    return {"name": registry.name_of(component), "config": exported_keys(component.config)}


def _as_single_task(paradigm: dict[str, Any]) -> dict[str, Any]:
    """Without the other tasks, a model with its own layers is an ordinary one."""
    if paradigm["config"].get("sharing") == "soft":
        paradigm["config"] |= {"sharing": "hard", "sharing_layers": None}
    return paradigm
