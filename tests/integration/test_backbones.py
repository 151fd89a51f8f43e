"""Every backbone carries every way of sharing and regularising: train, resume, export, predict."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import palm
from palm.backbone.base import BACKBONES
from palm.errors import ConfigError
from tests.integration import tiny

KEYS: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 16, "num_hidden_groups": 1, "hidden_act": "gelu_new", "num_hidden_layers": 3},
    "electra": {"embedding_size": 16},
}
BUILT_IN = ["albert", "bert", "distilbert", "electra", "ernie", "mpnet", "roberta"]
every_backbone = pytest.mark.parametrize("name", BUILT_IN)


def tasks(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    own: dict[str, dict[str, Any]] = {
        "adapter": {"sharing": "adapter"},
        "lora": {"sharing": "lora", "smart_weight": 0.5},
        "private": {"sharing": "private", "layers": "mix"},
        "copies": {"sharing": "private_layers", "sharing_layers": 1},
        "mixed": {"layers": "0, -1", "rdrop_alpha": 1.0},
    }
    if name != "albert":
        own["soft"] = {"sharing": "soft", "soft_sharing_weight": 0.1}
    made = {task: {**tiny.classification_task(folder, task, 16), **keys} for task, keys in own.items()}
    made["pairs"] = {**tiny.match_task(folder, "pairs")}
    made["words"] = {**tiny.mlm_task(folder, "words")}
    for keys in made.values():
        keys.pop("dev_file", None)
    return made


def config(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    keys = {"backbone": name, **KEYS.get(name, {}), "sampling": "exact", "batch_size": 8, "num_epochs": 1, **more}
    return tiny.config(folder, tasks(folder, name), **keys)


def weights_of(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    found = sorted(folder.glob("*/infer_model/model.safetensors"))
    return {file.parts[-3]: load_file(file) for file in found}


def test_every_built_in_one_is_here() -> None:
    assert set(BUILT_IN) <= set(BACKBONES)


@every_backbone
def test_train_stop_resume_and_predict(name: str, tmp_path: Path) -> None:
    made = config(tmp_path, name, save_path=str(tmp_path / "whole"), save_every_n_steps=6, keep_checkpoints=9)
    palm.Controller(made, overrides=[]).train()
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    later = [folder for folder in (tmp_path / "cut/ckpt").iterdir() if folder.name != "step_6"]
    assert later
    for folder in [*later, tmp_path / "cut/words/infer_model", tmp_path / "cut/pairs/infer_model"]:
        shutil.rmtree(folder)
    palm.Controller({**made, "save_path": str(tmp_path / "cut"), "resume": "auto"}, overrides=[]).train()
    whole, resumed = weights_of(tmp_path / "whole"), weights_of(tmp_path / "cut")
    assert whole.keys() == resumed.keys() == tasks(tmp_path, name).keys()
    for task, tensors in whole.items():
        assert tensors.keys() == resumed[task].keys()
        for key, array in tensors.items():
            assert np.array_equal(array, resumed[task][key]), (task, key)
    for task in ("adapter", "copies"):
        (answer,) = palm.Predictor(tmp_path / "whole" / task / "infer_model").predict_rows(
            [{"text_a": "the small red fish in the house"}]
        )
        assert answer["label"] in ("air", "water")
    described = json.loads((tmp_path / "whole/pairs/infer_model/config.json").read_text(encoding="utf-8"))
    assert described["backbone"]["name"] == name


@every_backbone
def test_regularised_recomputed_and_in_bf16(name: str, tmp_path: Path) -> None:
    """What touches the encoder from outside; numbers are those of tests of each of these."""
    more = {
        "adversarial_epsilon": 0.1, "recompute": True, "amp": "bf16", "layer_lr_decay": 0.9, "freeze_embeddings": False,
        "unfreeze_every_n_steps": 2, "max_steps": 6, "weighting": "gradnorm",
    }  # fmt: skip
    made = config(tmp_path, name, **more)
    made["tasks"].pop("soft", None)
    palm.Controller(made, overrides=[]).train()
    for tensors in weights_of(tmp_path / "out").values():
        assert all(np.isfinite(array).all() for array in tensors.values())


def test_layers_that_share_parameters_are_not_frozen_or_replaced_alone(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="freeze_layers freezes the lowest layers, and here one layer computes several"
    ):
        palm.Controller(config(tmp_path, "albert", freeze_layers=1), overrides=[])
    made = config(tmp_path, "albert")
    made["tasks"]["pairs"]["sharing"] = "soft"
    with pytest.raises(ConfigError, match=r"sharing: soft replaces layers .* Found backbone `albert`\. Use"):
        palm.Controller(made, overrides=[])
    two = config(tmp_path, "albert", num_hidden_groups=3, freeze_layers=1)
    palm.Controller(two, overrides=[])
