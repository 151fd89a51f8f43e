"""A model with more heads: encoder and heads of one that exists, byte by byte, and heads trained on its encoder."""

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from safetensors.numpy import save_file

from palm.engine.checkpoint import set_weights
from palm.engine.model import MultiTaskModel
from palm.engine.optim.freezing import ENCODER
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError
from palm.inference.bundle import RunFacts, save_run
from palm.inference.model_card import MODEL_CARD_FILE
from palm.inference.run_card import card_of
from palm.inference.saved_tasks import head_weights
from palm.schema.saved_model import SavedRun, SavedTask, read_saved_run
from palm.storage.atomic_directory import atomic_directory, recorded_sha256, verify
from palm.storage.layout import CONFIG_FILE, FORMAT_VERSION, MANIFEST_FILE, PALM_VERSION, WEIGHTS_FILE

_NEW_HEADS = "new_heads"
_OPTIONAL = ("tokenizer", "metrics", "data")


@dataclass(frozen=True)
class SourceModel:
    """The model whose encoder a run uses as it is.

    Attributes:
        folder: Its folder.
        saved: Its description.
        fingerprint: A sha256 of its weights and its description, which names its tokenizer's.
    """

    folder: Path
    saved: SavedRun
    fingerprint: str


def read_source(folder: Path) -> SourceModel:
    """The model in `folder`.

    Raises:
        CheckpointError: It is damaged, or of a later format version.
    """
    verify(folder)
    files = [recorded_sha256(folder, name) for name in (WEIGHTS_FILE, CONFIG_FILE)]
    return SourceModel(folder, read_saved_run(folder), hashlib.sha256(" ".join(files).encode()).hexdigest())


def freeze_encoder_of(source: SourceModel, model: MultiTaskModel) -> None:
    """Give `model` the encoder of `source`, which stays as it is, and start the heads' copies of its layers.

    Raises:
        CheckpointError: The weights do not fit the backbone.
    """
    arrays = _encoder(head_weights(source.folder, source.saved))
    weights = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    own = {f"{ENCODER}{name}": tensor for name, tensor in model.backbone.state_dict().items()}
    set_weights(own, weights, where=str(source.folder / WEIGHTS_FILE))
    model.start_copies()
    model.encoder, model.frozen_encoder = source.saved.encoder, source.fingerprint


def save_extended_run(
    extended: Path,
    model: MultiTaskModel,
    tasks: Sequence[TaskInstance],
    backbone_name: str,
    folder: Path,
    facts: RunFacts,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the model in `extended` with the heads of `tasks`, which were trained on its encoder, to `folder`.

    The other arguments are those of `save_run`.

    Raises:
        CheckpointError: The model has changed since, the folder cannot be written, or a number is not finite.
    """
    source = read_source(extended)
    if source.fingerprint != model.frozen_encoder:
        rule = "the model of freeze_encoder_of has changed while heads were trained on its encoder"
        kept = "The new heads are in the exports of their tasks (save_path/<task>/infer_model)"
        raise CheckpointError(f"{extended}: {rule}. {kept}; restore the model to add them to it.")
    with atomic_directory(folder, needs=_size(extended)) as temporary:
        added = temporary / _NEW_HEADS
        save_run(model, tasks, backbone_name, added, facts, weights)
        _write_joined(source, added, temporary)
        shutil.rmtree(added)
        card = card_of(read_saved_run(temporary), facts.origin)
        (temporary / MODEL_CARD_FILE).write_text(card, encoding="utf-8")


def _size(folder: Path) -> int:
    """Bytes of the weights of a model, which are written twice: with the new heads alone, and joined."""
    return 2 * (folder / WEIGHTS_FILE).stat().st_size


def _write_joined(source: SourceModel, added: Path, folder: Path) -> None:
    ours, theirs = read_saved_run(added), source.saved
    weights, new = head_weights(source.folder, theirs), head_weights(added, ours)
    if not _same(_encoder(weights), _encoder(new)):
        raise CheckpointError(f"{folder}: heads are added to the encoder that they were trained on. Found another one.")
    keys = _head_keys(theirs, {task.head for task in ours.tasks.values()})
    joined = _encoder(weights)
    joined |= {_with_key(name, keys): array for name, array in weights.items() if not name.startswith(ENCODER)}
    joined |= {name: array for name, array in new.items() if not name.startswith(ENCODER)}
    save_file(joined, folder / WEIGHTS_FILE)
    tasks = [task.model_copy(update={"head": keys[task.head]}) for task in theirs.tasks.values()]
    _copy_tokenizers(source.folder, folder)
    _write_description(source, [*tasks, *ours.tasks.values()], folder)


def _encoder(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in weights.items() if name.startswith(ENCODER)}


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


def _head_keys(saved: SavedRun, taken: Collection[str]) -> dict[str, str]:
    """The key of each head of the model beside those of the new heads: its own where it is free.

    That of a single task's export is the same for every task, so its head gets the task's name.
    """
    found: dict[str, str] = {}
    for task in saved.tasks.values():
        if task.head in found:
            continue
        wanted = task.head if saved.of_run else task.name.replace(".", "_")
        free = (wanted if not number else f"{wanted}_{number}" for number in range(len(taken) + len(saved.tasks) + 1))
        found[task.head] = next(key for key in free if key not in taken and key not in found.values())
    return found


def _with_key(name: str, keys: Mapping[str, str]) -> str:
    heads, key, rest = name.split(".", 2)
    return f"{heads}.{keys[key]}.{rest}"


def _copy_tokenizers(source: Path, folder: Path) -> None:
    """Copy every file of the model but its weights, its description and its card: those of its tokenizers."""
    listed = json.loads((source / MANIFEST_FILE).read_text(encoding="utf-8"))["files"]
    for name in listed:
        if name not in (WEIGHTS_FILE, CONFIG_FILE, MODEL_CARD_FILE):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / name, folder / name)


def _write_description(source: SourceModel, tasks: Sequence[SavedTask], folder: Path) -> None:
    saved = source.saved
    content: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "palm_version": PALM_VERSION,
        "backbone": saved.backbone.model_dump(),
        "tokenizer": saved.tokenizer.model_dump() if saved.tokenizer else None,
        "tasks": {task.name: _described(task) for task in tasks},
    }
    content |= {"encoder": saved.encoder} if saved.encoder else {}
    content |= {"amp": saved.amp} if saved.amp != "off" else {}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")


def _described(task: SavedTask) -> dict[str, Any]:
    described = task.model_dump(exclude={"name"})
    return {key: value for key, value in described.items() if value is not None or key not in _OPTIONAL}
