"""`export: best`: a target's inference model is that of its best evaluation, also after a resume and of two targets."""

import shutil

import pytest

import palm
from tests.integration import tiny


def train(folder, overrides=(), **keys):
    tasks = {"c": tiny.classification_task(folder, "c"), "水": tiny.classification_task(folder, "水", chinese=True)}
    keys = {"export": "best", "num_epochs": 3, "learning_rate": 0.05, "eval_every_n_steps": 2, **keys}
    palm.Controller(tiny.config(folder, tasks, **keys), overrides=list(overrides)).train()
    return folder / "out"


def best_by_task(folder):
    """Each task's best dev accuracy, and the step at which it was first reached, by a simple look at metrics.jsonl."""
    found = {}
    for row in tiny.metrics(folder):
        if row["split"] == "dev" and row["accuracy"] > found.get(row["task"], (-1, 0))[0]:
            found[row["task"]] = (row["accuracy"], row["global_step"])
    return found


def weights(out, task):
    return (out / task / "infer_model" / "model.safetensors").read_bytes()


def test_each_target_is_exported_at_its_best(tmp_path):
    out = train(tmp_path)
    best = best_by_task(tmp_path)
    last = {row["task"]: row for row in tiny.metrics(tmp_path) if row["split"] == "export"}
    assert {task: row["of_step"] for task, row in last.items()} == {task: step for task, (_, step) in best.items()}
    for task, (accuracy, _) in best.items():
        found = palm.Predictor(out / task / "infer_model").evaluate(tmp_path / f"{task}.dev.tsv")
        assert found["accuracy"] == accuracy
    assert any(row["of_step"] < row["global_step"] for row in last.values()), "no target was better before its end"
    lines = tiny.log_lines(tmp_path)
    rule = "Exported from the best evaluation, not the last step (`export: last`): c, 水; none stops early"
    assert sum(line.startswith(rule) for line in lines) == 1
    assert any(line.startswith("c: exported as at global step") for line in lines)


def test_the_last_step_is_exported_where_it_is_asked_for(tmp_path):
    train(tmp_path, ["--export", "last"])
    rows = [row for row in tiny.metrics(tmp_path) if row["split"] == "export"]
    assert all(row["of_step"] == row["global_step"] for row in rows)
    assert not any("best" in line for line in tiny.log_lines(tmp_path))


def test_export_changes_no_step_of_the_run(tmp_path):
    losses = []
    for export in ("best", "last"):
        folder = tmp_path / export
        folder.mkdir()
        train(folder, ["--export", export])
        losses.append([(row["task"], row["loss"]) for row in tiny.metrics(folder) if row["split"] == "train"])
    assert losses[0] == losses[1]


def test_without_a_dev_file_nothing_changes(tmp_path):
    models = []
    for export in ("best", "last"):
        folder = tmp_path / export
        folder.mkdir()
        tasks = {"w": tiny.mlm_task(folder, "w")}
        palm.Controller(tiny.config(folder, tasks, export=export, max_steps=6), overrides=[]).train()
        models.append(weights(folder / "out", "w"))
    assert models[0] == models[1]
    assert not (tmp_path / "best/out/w/best_infer_model").exists()


@pytest.mark.parametrize("step", [1, 6, 11])
def test_a_resumed_run_exports_the_same(tmp_path, step):
    """Resumed after `step`, though the run was killed later: its best models are there, its checkpoints are not."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    expected = train(whole, save_every_n_steps=1, keep_checkpoints=100)
    shutil.copytree(whole, parts)
    for folder in (parts / "out/ckpt").iterdir():
        if int(folder.name.removeprefix("step_")) > step:
            shutil.rmtree(folder)
    for task in ("c", "水"):
        shutil.rmtree(parts / "out" / task / "infer_model")
    found = train(parts, ["--resume", "auto"], save_every_n_steps=1, keep_checkpoints=100)
    for task in ("c", "水"):
        assert weights(found, task) == weights(expected, task)


def test_a_best_model_that_is_gone_is_said(tmp_path):
    train(tmp_path, save_every_n_steps=1, keep_checkpoints=100)
    last = max(int(folder.name.removeprefix("step_")) for folder in (tmp_path / "out/ckpt").iterdir())
    shutil.rmtree(tmp_path / f"out/ckpt/step_{last}")
    for task in ("c", "水"):
        shutil.rmtree(tmp_path / "out" / task)
    train(tmp_path, ["--resume", "auto"], save_every_n_steps=1, keep_checkpoints=100)
    said = [line for line in tiny.log_lines(tmp_path) if "best_infer_model" in line and "not there" in line]
    assert said
