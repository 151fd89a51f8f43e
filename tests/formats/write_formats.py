"""Writes files of today's format version, which later ones must go on reading: `python -m tests.formats.write_formats`.

A version's folders are written once, by the PALM that first wrote that version, and never again.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import palm
from palm.engine.checkpoint import save_checkpoint
from palm.engine.train import train_steps
from palm.storage.layout import FORMAT_VERSION
from tests.integration import tiny

HERE = Path(__file__).resolve().parent
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
Configuration = Callable[[Path], dict[str, object]]


def configuration(folder: Path) -> dict[str, object]:
    """Two tasks on an encoder of a few kilobytes; every kind of file that a checkpoint may hold is in use."""
    tasks = {
        "water": {**tiny.classification_task(folder, "water", count=16, chinese=True), "for_cn": True},
        "words": {**tiny.mlm_task(folder, "words"), "target": False, "for_cn": True},
    }
    keys = {"use_ema": True, "ema_decay": 0.9, "gradient_accumulation_steps": 2, "num_epochs": 2, "random_seed": 3}
    keys["kernels"] = "plain"  # which every machine has; the dropout of the fused ones draws other masks
    return tiny.config(folder, tasks, **{**SMALL, "max_position_embeddings": 24}, **keys)


def sharing_configuration(folder: Path) -> dict[str, object]:
    """One task of each kind of sharing, and a mix of the encoder's layers."""
    small = {"sharing_size": 2}
    kinds = {"adapter": small, "lora": {**small, "layers": "mix"}, "private": small}
    kinds |= {"private_layers": {"sharing_layers": 1}, "soft": {"sharing_layers": 1}}
    data = tiny.classification_task(folder, "water", count=16, chinese=True)
    tasks = {name: {**data, "sharing": name, **keys, "for_cn": True} for name, keys in kinds.items()}
    keys = {"num_epochs": 2, "random_seed": 3, "kernels": "plain"}
    return tiny.config(folder, tasks, **{**SMALL, "num_hidden_layers": 2, "max_position_embeddings": 24}, **keys)


CONFIGURATIONS: Mapping[str, Configuration] = {"": configuration, "_sharing": sharing_configuration}
"""By what follows the version in a folder's name."""


def write_files(configure: Configuration, target: Path) -> None:
    """The checkpoint of step 3, and the inference models at the end of the run with their predictions."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        palm.Controller(configure(folder), overrides=[]).train()
        target.mkdir()
        shutil.copyfile(folder / "water.dev.tsv", target / "dev.tsv")
        models = list((folder / "out").glob("*/infer_model"))
        for model in models:
            copy = target / model.parent.name if len(models) > 1 else target
            shutil.copytree(model, copy / "infer_model")
            predictions = palm.Predictor(copy / "infer_model").predict(target / "dev.tsv")
            text = json.dumps(predictions, ensure_ascii=False, indent=1) + "\n"
            (copy / "predictions.json").write_text(text, "utf-8")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        run = palm.Controller(configure(folder), overrides=[])._training_run()
        for result in train_steps(run):
            if result.global_step == 3:
                shutil.copytree(save_checkpoint(run, folder / "ckpt", keep=1), target / "step_3")
                break


def main() -> None:
    """Write each folder of today's version that is not there."""
    for suffix, configure in CONFIGURATIONS.items():
        target = HERE / f"v{FORMAT_VERSION}{suffix}"
        if not target.exists():
            write_files(configure, target)


if __name__ == "__main__":
    main()
