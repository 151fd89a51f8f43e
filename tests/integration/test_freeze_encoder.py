"""`freeze_encoder_of` adds heads to a model: its encoder and heads keep their bytes, and their answers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import palm
from palm.inference.bundle import RunFacts, save_run
from palm.inference.extended_run import read_source, save_extended_run
from palm.inference.saved_tasks import head_weights
from palm.schema.saved_model import read_saved_run
from palm.training.run import run_training
from tests.integration import tiny

TEXTS = ["the big red fish in the river", "a small blue bird flies", "大红鱼在河", "小绿鸟飞"]


def base_tasks(folder: Path) -> dict:
    """A head on the encoder alone, one with adapters in it, and one with layers of its own."""
    return {
        "气味": tiny.classification_task(folder, "气味", count=24, chinese=True) | {"sharing": "soft"},
        "water": tiny.classification_task(folder, "water", count=24) | {"sharing": "adapter", "sharing_size": 4},
        "slots": tiny.slot_task(folder, "slots") | {"layers": "mix"},
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run: its save_path."""
    folder = tmp_path_factory.mktemp("base")
    palm.Controller(tiny.config(folder, base_tasks(folder), max_steps=8), overrides=[]).train()
    return folder / "out"


def new_config(folder: Path, base: Path | str, **keys) -> dict:
    """A configuration without backbone keys, vocabulary and lower-casing."""
    folder.mkdir(exist_ok=True)
    task = tiny.classification_task(folder, "新任务") | {key: keys.pop(key) for key in list(keys) if key in OF_TASK}
    given = tiny.config(folder, {"新任务": task}, **{"max_steps": 6, "freeze_encoder_of": str(base), **keys})
    return {
        key: value
        for key, value in given.items()
        if key not in {*tiny.BACKBONE, "backbone", "vocab_path", "do_lower_case"}
    }


OF_TASK = ("sharing", "sharing_size", "sharing_layers", "layers", "rdrop_alpha", "smart_weight", "reader", "paradigm")


def train(folder: Path, base: Path | str, **keys) -> Path:
    palm.Controller(new_config(folder, base, **keys), overrides=[]).train()
    return folder / "out"


def weights(folder: Path) -> dict[str, np.ndarray]:
    return head_weights(folder, read_saved_run(folder))


def answers(folder: Path, tasks) -> dict[str, str]:
    model = palm.load(folder)
    return {task: json.dumps(model.predict(TEXTS, tasks=[task])[task], ensure_ascii=False) for task in tasks}


def assert_kept(old: Path, new: Path) -> None:
    """Every tensor of `old` is in `new` byte by byte, and its tasks give the same answers."""
    before, after = weights(old), weights(new)
    assert {name for name in before if before[name].tobytes() != after[name].tobytes()} == set()
    tasks = list(read_saved_run(old).tasks)
    assert answers(new, tasks) == answers(old, tasks)
