"""Writes files of today's format version, which later ones must go on reading: `python -m tests.formats.write_formats`.

A version's folder is written once, by the PALM that first wrote that version, and never again.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import palm
from palm.default_settings import FORMAT_VERSION
from palm.engine.checkpoint import save_checkpoint
from palm.engine.train import train_steps
from tests.integration import tiny

HERE = Path(__file__).resolve().parent
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}


def configuration(folder: Path) -> dict[str, object]:
    """Two tasks on an encoder of a few kilobytes; every kind of file that a checkpoint may hold is in use."""
    tasks = {
        "water": {**tiny.classification_task(folder, "water", count=16, chinese=True), "for_cn": True},
        "words": {**tiny.mlm_task(folder, "words"), "target": False, "for_cn": True},
    }
    keys = {"use_ema": True, "ema_decay": 0.9, "gradient_accumulation_steps": 2, "num_epochs": 2, "random_seed": 3}
    keys["kernels"] = "plain"  # which every machine has; the dropout of the fused ones draws other masks
    return tiny.config(folder, tasks, **{**SMALL, "max_position_embeddings": 24}, **keys)


def main() -> None:
    """Write `v<version>/`: the checkpoint of step 3, the inference model at the end of the run, and its predictions."""
    target = HERE / f"v{FORMAT_VERSION}"
    if target.exists():
        raise SystemExit(f"{target} is there: a version's files are written once.")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        controller = palm.Controller(configuration(folder), overrides=[])
        controller.train()
        shutil.copytree(folder / "out" / "water" / "infer_model", target / "infer_model")
        shutil.copyfile(folder / "water.dev.tsv", target / "dev.tsv")
        predictions = palm.Predictor(target / "infer_model").predict(target / "dev.tsv")
        (target / "predictions.json").write_text(json.dumps(predictions, ensure_ascii=False, indent=1) + "\n", "utf-8")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        run = palm.Controller(configuration(folder), overrides=[])._training_run()
        for result in train_steps(run):
            if result.global_step == 3:
                shutil.copytree(save_checkpoint(run, folder / "ckpt", keep=1), target / "step_3")
                break


if __name__ == "__main__":
    main()
