"""The result of a stage: the encoder that the next stage starts from, which also marks the stage as done."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from palm.config.run_config import RunConfig
from palm.config.stages import encoder_folder
from palm.engine.checkpoint import roll_back
from palm.engine.optim.weight_average import averaged
from palm.engine.run import TrainingRun
from palm.errors import CheckpointError
from palm.pretrained.load import PretrainedWeights, load_pretrained
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

    It has the averaged weights if the run averages them, like inference models.

    Raises:
        CheckpointError: It cannot be written.
    """
    backbone_config = {"palm_backbone": config.backbone_name, **exported_keys(run.model.backbone_config)}
    with atomic_directory(encoder_folder(config)) as aside:
        with averaged(run.average):
            save_tensors(run.model.backbone.state_dict(), aside / WEIGHTS_FILE)
        (aside / _CONFIG_FILE).write_text(json.dumps(backbone_config, indent=2) + "\n", encoding="utf-8")
        run.tasks[0].reader.tokenizer.save(aside)


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
