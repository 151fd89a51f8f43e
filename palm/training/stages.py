"""The result of a stage: the encoder that the next stage starts from, which also marks the stage as done."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import paddle
from paddle import Tensor

from palm.backbone.base import BACKBONES
from palm.config.run_config import RunConfig
from palm.config.stages import encoder_folder
from palm.engine.checkpoint import roll_back
from palm.engine.optim.weight_average import averaged
from palm.engine.run import TrainingRun
from palm.errors import CheckpointError
from palm.pretrained.load import MLM_HEAD, PretrainedWeights, load_pretrained
from palm.schema.fields import exported_keys
from palm.storage.atomic_directory import atomic_directory, remove_folder, verify
from palm.storage.layout import CHECKPOINT_FOLDER, WEIGHTS_FILE
from palm.storage.tensors import save_tensors
from palm.training.earlier_runs import archive_previous_run

_CONFIG_FILE = "config.json"
_EPSILON = "layer_norm_eps"


def restore_best(run: TrainingRun, config: RunConfig) -> list[str]:
    """Roll an ended stage back to its best evaluation, if it has `selection` or `metric_for_best_model`.

    Returns:
        Lines for the user: none if the stage ended at its best, or has no best step.

    Raises:
        CheckpointError: The checkpoint of that evaluation is damaged.
    """
    best = run.progress.best.run
    if best is None or best.global_step == run.progress.global_step:
        return []
    folder = Path(config.run.save_path) / CHECKPOINT_FOLDER / f"step_{best.global_step}"
    verify(folder)
    roll_back(run, folder)
    return [f"Stage {config.stage}: its encoder is from global step {best.global_step}, with the best {best.metric}."]


def save_encoder(run: TrainingRun, config: RunConfig) -> None:
    """Write the encoder of an ended stage, in the format of `pretrain_model_path`.

    The masked language model head goes with it, for tasks of the next stages. They have the averaged weights if the run
    averages them, like inference models.

    Raises:
        CheckpointError: It cannot be written.
    """
    backbone_config = {"palm_backbone": config.backbone_name, **exported_keys(run.model.backbone_config)}
    with atomic_directory(encoder_folder(config)) as aside:
        with averaged(run.average):
            save_tensors({**run.model.backbone.state_dict(), **_mlm_head(run, config)}, aside / WEIGHTS_FILE)
        (aside / _CONFIG_FILE).write_text(json.dumps(backbone_config, indent=2) + "\n", encoding="utf-8")
        run.tasks[0].reader.tokenizer.save(aside)


def _mlm_head(run: TrainingRun, config: RunConfig) -> dict[str, Tensor]:
    """The masked language model head, by `mlm.*`: that of the stage's first task with one, else the encoder's own.

    A head that lacks a part, as the bias of the vocabulary, has that of the encoder.
    """
    found: dict[str, Tensor] = {}
    for task in (task for task in run.tasks if task.paradigm.pretrained_head == MLM_HEAD):
        layers = run.model.heads[task.head]
        names = {name for name, _ in layers.named_parameters()} - set(run.model.added_parameters(task.head))
        own = {f"{MLM_HEAD}{name}": each for name, each in layers.state_dict().items() if name in names}
        found = own if len(own) > len(found) else found
    lacks_bias = run.model.backbone_config.mlm_head().decoder_bias and f"{MLM_HEAD}bias" not in found
    if config.run.pretrain_model_path is None or (found and not lacks_bias):
        return found
    tensors = load_pretrained(config.run.pretrain_model_path, BACKBONES[config.backbone_name]).tensors
    of_encoder = {name: paddle.to_tensor(array) for name, array in tensors.items() if name.startswith(MLM_HEAD)}
    return of_encoder | found


def load_encoder(folder: Path) -> PretrainedWeights:
    """Read the encoder that `save_encoder` wrote.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    verify(folder)
    weights = load_pretrained(folder)  # its config.json names the backbone
    # A configuration without it takes the value of the first stage's weights, whatever their format.
    epsilon = json.loads((folder / _CONFIG_FILE).read_text(encoding="utf-8"))[_EPSILON]
    return replace(weights, config={**weights.config, _EPSILON: epsilon})


def stage_is_done(config: RunConfig) -> bool:
    """Whether a stage has ended, so that a resumed run goes on with the next one.

    Raises:
        CheckpointError: Its encoder is damaged.
    """
    folder = encoder_folder(config)
    if not folder.exists():
        return False
    try:
        verify(folder)
    except CheckpointError as error:
        raise CheckpointError(f"{error} Remove {folder.as_posix()} to train the stage again.") from error
    return True


def reset_stages(configs: Sequence[RunConfig]) -> list[str]:
    """Remove or archive the stages of an earlier run: a later `resume` could take them for this run's.

    Returns:
        Lines for the user.
    """
    lines = []
    for config in configs:
        folder = encoder_folder(config)
        if folder.exists():
            verify(folder)  # only what PALM wrote is removed
            remove_folder(folder)
        moved = archive_previous_run(folder.parent) if folder.parent.exists() else None
        lines += [moved] if moved else []
    return lines
