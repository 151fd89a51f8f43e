"""Inference models: a task's backbone, head, vocabulary, labels and settings in one self-contained folder."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from palm.backbone.base import BACKBONES
from palm.config.run_config import TaskConfig
from palm.data.dataset import LabelMap
from palm.data.tokenizer import Tokenizer
from palm.data.vocab import load_vocab
from palm.engine.checkpoint import set_weights
from palm.engine.model import MultiTaskModel
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.schema.facts import keys_where
from palm.schema.fields import Kernels, Schema, exported_keys
from palm.schema.settings import TaskSettings
from palm.storage.atomic_directory import atomic_directory, verify
from palm.storage.layout import FORMAT_VERSION, MANIFEST_FILE, PALM_VERSION, WEIGHTS_FILE
from palm.storage.tensors import load_tensors, save_tensors

_CONFIG_FILE = "config.json"
_VOCAB_FILE = "vocab.txt"
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
        (temporary / _VOCAB_FILE).write_text("\n".join(task.reader.tokenizer.tokens) + "\n", encoding="utf-8")
        (temporary / _CONFIG_FILE).write_text(
            json.dumps(
                _describe(task, {"name": backbone_name, "config": exported_keys(model.backbone_config)}),
                indent=1,
                ensure_ascii=False,
            )
            + "\n",
            encoding="utf-8",
        )


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
    try:
        return _assemble(folder, json.loads((folder / _CONFIG_FILE).read_text(encoding="utf-8")), task_config, kernels)
    except (KeyError, TypeError, ValueError) as error:
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
    }


def _component(component: Any, registry: Any) -> dict[str, Any]:  # noqa: ANN401 (a reader or a paradigm, and its registry)
    name = next(name for name in registry if registry[name] is type(component))
    return {"name": name, "config": exported_keys(component.config)}


def _as_single_task(paradigm: dict[str, Any]) -> dict[str, Any]:
    """Without the other tasks, a model with its own layers is an ordinary one."""
    if paradigm["config"].get("sharing") == "soft":
        paradigm["config"] |= {"sharing": "hard", "sharing_layers": None}
    return paradigm


def _assemble(folder: Path, saved: dict[str, Any], task_config: TaskConfig | None, kernels: Kernels) -> Bundle:
    if task_config and (task_config.reader_name, task_config.paradigm_name) != (
        saved["reader"]["name"],
        saved["paradigm"]["name"],
    ):
        trained = f"Trained with reader `{saved['reader']['name']}` and paradigm `{saved['paradigm']['name']}`"
        found = f"found `{task_config.reader_name}` and `{task_config.paradigm_name}` in the configuration"
        raise CheckpointError(
            f"{folder}: a model predicts with what it was trained with. {trained}, {found}. Use the matching model."
        )
    backbone_class = BACKBONES[saved["backbone"]["name"]]
    backbone = backbone_class(backbone_class.Config.model_validate({**saved["backbone"]["config"], "kernels": kernels}))
    task = _assemble_task(folder, saved, task_config)
    if task.reader.config.max_seq_len > backbone.config.max_position_embeddings:
        rule = f"max_seq_len is at most {backbone.config.max_position_embeddings} for this model"
        raise CheckpointError(f"{folder}: {rule}. Found {task.reader.config.max_seq_len}. Lower it.")
    model = MultiTaskModel(backbone, [task], seed=0)
    weights = {_own_name(name): tensor for name, tensor in load_tensors(folder / WEIGHTS_FILE).items()}
    set_weights(model.state_dict(), weights, where=str(folder))
    return Bundle(task, model)


def _assemble_task(folder: Path, saved: dict[str, Any], task_config: TaskConfig | None) -> TaskInstance:
    reader_class, paradigm_class = READERS[saved["reader"]["name"]], PARADIGMS[saved["paradigm"]["name"]]
    reader_config = _merged(
        saved["reader"]["config"], reader_class.Config, task_config.reader if task_config else None, folder
    )
    paradigm_config = _merged(
        saved["paradigm"]["config"], paradigm_class.Config, task_config.paradigm if task_config else None, folder
    )
    labels = None if saved["labels"] is None else LabelMap(tuple(saved["labels"]), saved.get("tag_scheme"))
    vocab = load_vocab(folder / _VOCAB_FILE)
    tokenizer = Tokenizer(vocab, do_lower_case=reader_config.do_lower_case, for_cn=reader_config.for_cn)
    return TaskInstance(
        name=saved["task"],
        settings=task_config.settings if task_config else TaskSettings.model_validate(saved["settings"]),
        reader=reader_class(reader_config, tokenizer, labels),
        paradigm=paradigm_class(paradigm_config, labels, vocab=tokenizer.tokens),
        head=_HEAD,
        seed=0,
    )


def _merged(saved: dict[str, Any], schema: type[Fields], wanted: Schema | None, folder: Path) -> Fields:
    """The saved keys, and over them those that the configuration sets now."""
    kept = keys_where(schema.model_fields, export="kept")
    explicit = wanted.model_dump(include=wanted.model_fields_set, exclude=set(kept)) if wanted else {}
    changed = [
        key
        for key in keys_where(schema.model_fields, export="fixed")
        if explicit.get(key, saved.get(key)) != saved.get(key)
    ]
    if changed:
        key = changed[0]
        found = f"Trained with {saved[key]}, found {explicit[key]} in the configuration"
        raise CheckpointError(
            f"{folder}: `{key}` must have its value from training. {found}. Set it back, or train again."
        )
    return schema.model_validate({**saved, **explicit})


def _own_name(name: str) -> str:
    """The model's name of a weight: exported heads lack the prefix `heads.`."""
    return f"heads.{name}" if name.startswith(f"{_HEAD}.") else name
