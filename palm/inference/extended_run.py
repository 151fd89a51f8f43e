"""A model with more heads: encoder and heads of one that exists, byte by byte, and heads trained on its encoder."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor

from palm.engine.checkpoint import set_weights
from palm.engine.model import MultiTaskModel
from palm.engine.optim.freezing import ENCODER
from palm.engine.pretrain import load_pretrained_heads
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError
from palm.inference.bundle import RunFacts, save_run
from palm.inference.merge import ModelSource, differing_weights, read_model, write_merged
from palm.inference.saved_tasks import head_weights
from palm.paradigm.base import PARADIGMS
from palm.pretrained.load import MLM_HEAD, PretrainedWeights
from palm.schema.saved_model import SavedRun, read_saved_run
from palm.storage.atomic_directory import atomic_directory, recorded_sha256, verify
from palm.storage.layout import CONFIG_FILE, WEIGHTS_FILE

_NEW_HEADS = "new_heads"
_TRANSFORM, _PARTS = "transform.weight", ("transform.", "layer_norm.", "bias")


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


def freeze_encoder_of(source: SourceModel, model: MultiTaskModel, tasks: Sequence[TaskInstance]) -> list[str]:
    """Give `model` the encoder of `source`, which stays as it is, and start the heads' copies of its parts.

    Returns:
        Lines for the user about masked language model heads, which start from that of the model if it has one.

    Raises:
        CheckpointError: The weights do not fit the backbone.
    """
    arrays = head_weights(source.folder, source.saved)
    weights = {name: paddle.to_tensor(array) for name, array in arrays.items() if name.startswith(ENCODER)}
    own = {f"{ENCODER}{name}": tensor for name, tensor in model.backbone.state_dict().items()}
    set_weights(own, weights, where=str(source.folder / WEIGHTS_FILE))
    model.start_from_encoder()
    model.encoder, model.frozen_encoder = source.saved.encoder, source.fingerprint
    return load_pretrained_heads(model, tasks, PretrainedWeights(_mlm_head(source, arrays), str(source.folder), {}))


def _mlm_head(source: SourceModel, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The first masked language model head of the model, by `mlm.*`; empty if it has none."""
    for task in source.saved.tasks.values():
        prefix = f"heads.{task.head}."
        kind = PARADIGMS[task.paradigm.name].pretrained_head if task.paradigm.name in PARADIGMS else None
        if kind == MLM_HEAD and f"{prefix}{_TRANSFORM}" in arrays:
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            return {f"{MLM_HEAD}{name}": array for name, array in own.items() if name.startswith(_PARTS)}
    return {}


def save_extended_run(
    extended: Path,
    model: MultiTaskModel,
    tasks: Sequence[TaskInstance],
    *,
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
        save_run(model, tasks, backbone_name=backbone_name, folder=added, facts=facts, weights=weights)
        models = [read_model(ModelSource(each)) for each in (extended, added)]
        if next(differing_weights(*models), None) is not None:
            rule = "heads are added to the encoder that they were trained on. Found another one."
            raise CheckpointError(f"{folder}: {rule}")
        write_merged(models, temporary, facts.origin, global_step=None)
        shutil.rmtree(added)


def _size(folder: Path) -> int:
    """Bytes of the weights of a model, which are written twice: with the new heads alone, and joined."""
    return 2 * (folder / WEIGHTS_FILE).stat().st_size
