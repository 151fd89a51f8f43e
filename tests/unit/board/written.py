"""Writes the files of runs for the tests of the board."""

import json


def step_line(step, task="intent", loss=1.0, **others):
    return {"split": "train", "global_step": step, "task": task, "step": step, "epoch": 0, "loss": loss,
            "loss_normalised": loss, "learning_rate": 1e-3, "steps_per_second": 9.0, **others}  # fmt: skip


def dev_line(step, task="intent", **metrics):
    return {"split": "dev", "global_step": step, "task": task, **metrics}


def write(folder, *lines, mode="w"):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.jsonl").open(mode, encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return folder
