"""Selection and early stopping in whole runs: what ends them, what is exported, and that they resume exactly."""

import json
import shutil

import pytest

import palm
from palm.engine.checkpoint import checkpoints
from palm.engine.train import train_steps
from palm.errors import ConfigError
from palm.metric.base import METRICS
from tests.integration import tiny
from tests.integration.test_resume import fingerprint, timeless

STILL = {"learning_rate": 1e-9, "num_epochs": 2, "eval_every_n_steps": 2}
"""Nothing is learnt, so the first evaluation stays the best."""


def tasks(folder, **of_air):
    return {
        "水": tiny.classification_task(folder, "水", count=80, chinese=True),
        "air": {**tiny.classification_task(folder, "air", count=32), **of_air},
    }


def controller(folder, of_air=None, **keys):
    folder.mkdir(exist_ok=True)
    return palm.Controller(tiny.config(folder, tasks(folder, **(of_air or {})), **keys), overrides=[])


def trained_tasks(folder):
    return [row["task"] for row in tiny.metrics(folder) if row["split"] == "train"]


def exported_at(folder, name):
    """The global step after which the log says that the inference model of `name` was saved."""
    step = None
    for line in tiny.log_lines(folder):
        step = int(line.split()[2].rstrip(".")) if line.startswith("Global step") else step
        if line.startswith(f"{name}: inference model saved"):
            return step
    return None


def test_a_run_ends_when_all_targets_have_stopped_early(tmp_path):
    controller(tmp_path, early_stopping_patience=2, **STILL).train()
    assert len(trained_tasks(tmp_path)) == 6, "evaluated at 2, 4 and 6"
    lines = tiny.log_lines(tmp_path)
    for name in ("水", "air"):
        assert exported_at(tmp_path, name) == 6
        assert any(line.startswith(f"{name}: stops early after global step 6; its best accuracy") for line in lines)
        assert any(line.startswith(f"{name}: train finished!") for line in lines)


def test_the_model_of_a_target_that_stopped_early_is_its_best_one(tmp_path):
    keys = {"learning_rate": 0.02, "num_epochs": 8, "eval_every_n_steps": 1, "metric_for_best_model": "loss"}
    controller(tmp_path, early_stopping_patience=2, **keys).train()
    losses = [row["loss"] for row in tiny.metrics(tmp_path) if row["split"] == "dev" and row["task"] == "air"]
    last = exported_at(tmp_path, "air")
    assert last < len(losses) or last == len(trained_tasks(tmp_path))
    best = min(losses[:last])
    assert losses[last - 1] > best, "the last step before the stop is not the best"
    exported = next(row for row in tiny.metrics(tmp_path) if row["split"] == "export" and row["task"] == "air")
    assert (exported["global_step"], exported["of_step"]) == (last, losses.index(best) + 1)
    model = palm.Predictor(tmp_path / "out" / "air" / "infer_model")
    assert model.evaluate(tasks(tmp_path)["air"]["dev_file"])["loss"] == pytest.approx(best, abs=1e-6)


def test_patience_as_in_few_shot_scripts_under_their_names(tmp_path):
    """Nothing gets better after the first evaluation, at step 2: the fourth one after it, at step 10, is the last."""
    keys = {"load_best_model_at_end": True, "early_stopping_patience": 4, "eval_steps": 2, "num_train_epochs": 2}
    config = tiny.config(tmp_path, tasks(tmp_path), learning_rate=1e-9) | keys
    del config["export"], config["num_epochs"]
    palm.Controller(config, overrides=[]).train()
    assert len(trained_tasks(tmp_path)) == 10
    exports = [row for row in tiny.metrics(tmp_path) if row["split"] == "export"]
    assert {(row["task"], row["global_step"], row["of_step"]) for row in exports} == {("水", 10, 2), ("air", 10, 2)}


@pytest.mark.parametrize("leaves", [False, True])
def test_a_finished_target_stays_in_the_mix_unless_it_shall_leave(tmp_path, leaves):
    patient = {"early_stopping_patience": 1}
    controller(tmp_path, patient, leave_mix_when_finished=leaves, **STILL).train()
    assert exported_at(tmp_path, "air") == 4
    afterwards = trained_tasks(tmp_path)[4:]
    assert ("air" in afterwards) != leaves
    assert trained_tasks(tmp_path).count("水") == 2 * 10, "the other one trains to its end"
    epochs = [row["global_step"] for row in tiny.metrics(tmp_path) if row["split"] == "dev" and row["task"] == "水"]
    assert epochs[-1] == len(trained_tasks(tmp_path))


@pytest.mark.parametrize("sampling", ["mix_ratio", "exact", "proportional", "temperature", "annealed"])
def test_with_leaving_the_run_is_as_long_as_its_targets(tmp_path, sampling):
    keys = {"sampling": sampling, "leave_mix_when_finished": True, "num_epochs": 3}
    run = controller(tmp_path, {"mix_ratio": 0.5}, **keys)._training_run()
    names = [result.task for result in train_steps(run)]
    assert {name: names.count(name) for name in ("水", "air")} == dict(run.targets)
    assert len(names) == run.total_steps


def test_epochs_of_the_next_target_are_evaluated_once_the_main_task_has_left(tmp_path):
    steps = {"sampling": "exact", "leave_mix_when_finished": True, "num_epochs": 2}
    controller(tmp_path, {"mix_ratio": 5}, **steps).train()
    names = trained_tasks(tmp_path)
    gone = len(names) - names[::-1].index("水")
    ends = [step for step in range(gone + 1, len(names) + 1) if names[:step].count("air") % 4 == 0]
    evaluated = {row["global_step"] for row in tiny.metrics(tmp_path) if row["split"] == "dev" and row["task"] == "水"}
    assert ends
    assert set(ends) <= evaluated


@pytest.mark.parametrize(("at_epochs", "expected"), [(True, [2, 4, 5, 6, 8, 10, 12]), (False, [5, 10, 12])])
def test_evaluations_at_a_number_of_steps_may_leave_epoch_ends_out(tmp_path, at_epochs, expected):
    task = tiny.classification_task(tmp_path, "鱼", count=16, chinese=True)
    keys = {"batch_size": 8, "num_epochs": 6, "eval_every_n_steps": 5, "eval_at_epoch_ends": at_epochs}
    received = []
    palm.Controller(tiny.config(tmp_path, {"鱼": task}, **keys), overrides=[]).train(on_record=received.append)
    assert [row["global_step"] for row in tiny.metrics(tmp_path) if row["split"] == "dev"] == expected
    assert all(row.pop("seconds") > 0 for row in received if row["split"] == "dev")
    assert received == tiny.metrics(tmp_path)


def test_a_run_ends_when_its_selection_has_stopped_getting_better(tmp_path):
    keys = {"selection": {"水": 1.0, "air.macro_f1": 0.5}, "selection_patience": 3}
    controller(tmp_path, **keys, **STILL).train()
    assert len(trained_tasks(tmp_path)) == 8, "evaluated at 2, then 3 times without an improvement"
    lines = tiny.log_lines(tmp_path)
    assert any(line.startswith("the run: stops early after global step 8; its best selection") for line in lines)
    assert [exported_at(tmp_path, name) for name in ("水", "air")] == [8, 8]
    assert [path.name for path in checkpoints(tmp_path / "out" / "ckpt")] == ["step_2"]


def test_the_best_of_the_run_is_by_the_weighted_figures(tmp_path):
    keys = {"save_every_n_steps": 1, "keep_checkpoints": 1, "eval_every_n_steps": 1, "learning_rate": 0.02}
    controller(tmp_path, selection="水.loss: 3, air.loss: 1", **keys).train()
    losses = {}
    for row in tiny.metrics(tmp_path):
        if row["split"] == "dev":
            losses.setdefault(row["global_step"], {})[row["task"]] = row["loss"]
    wanted = min(losses, key=lambda step: 3 * losses[step]["水"] + losses[step]["air"])
    saved = json.loads((tmp_path / "out" / "ckpt" / f"step_{max(losses)}" / "progress.json").read_text())["best"]
    assert saved["run"]["global_step"] == wanted
    assert saved["run"]["value"] == pytest.approx(-(3 * losses[wanted]["水"] + losses[wanted]["air"]) / 4)


@pytest.mark.parametrize(("sampling", "every"), [("mix_ratio", 1), ("exact", 3)])
def test_resume_from_every_step_ends_bit_identical(tmp_path, sampling, every):
    keys = {
        "sampling": sampling, "num_epochs": 1.5, "eval_every_n_steps": 2, "save_every_n_steps": 1,
        "keep_checkpoints": 100, "leave_mix_when_finished": True, "selection": {"水.loss": 2.0, "air.loss": 1.0},
        "selection_patience": 6, "learning_rate": 0.02,
    }  # fmt: skip
    of_air = {"early_stopping_patience": 1, "early_stopping_min_delta": 10.0, "mix_ratio": 2}
    controller(tmp_path / "whole", of_air, **keys).train()
    whole = tmp_path / "whole" / "out" / "ckpt"
    saved = checkpoints(whole)
    progress = [json.loads((path / "progress.json").read_text()) for path in saved]
    assert progress[-1]["stops"]["tasks"] == {"air": 4}
    assert progress[-1]["skipped_draws"] > 0
    assert any(each["stops"]["waiting"].get("", {}).get("evaluations") for each in progress)
    for path in saved[:-1:every]:
        home = tmp_path / path.name
        shutil.copytree(path, home / "out" / "ckpt" / path.name)
        controller(home, of_air, resume="auto", **keys).train()
        found = checkpoints(home / "out" / "ckpt")[-1]
        assert found.name == saved[-1].name
        assert fingerprint(found) == fingerprint(saved[-1]), path.name
        rows = [row for row in tiny.metrics(tmp_path / "whole") if row["global_step"] > int(path.name[5:])]
        # A checkpoint alone, without the best models of before it, exports what there is.
        found, wanted = ([{**row, "of_step": None} for row in timeless(lines)] for lines in (tiny.metrics(home), rows))
        assert found == wanted


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"selection": {"air": 1, "watr": 1}}, r"config\.selection: selection must name tasks .* Found `watr`"),
        ({"selection": {"air.acuracy": 1}}, r"Found `air\.acuracy`\. Did you mean `air\.accuracy`\?"),
        ({"selection": {"air": 0}}, "a weight must not be 0"),
        ({"selection": {}}, "selection is a mapping"),
        ({"selection": {"air": 1}, "metric_for_best_model": "loss"}, "both determine the best step"),
        ({"selection_patience": 2}, "selection_patience needs a metric"),
        (
            {"selection": {"air": 1}, "selection_patience": 2, "eval_every_n_steps": 0},
            r"config\.eval_every_n_steps: .*too late for selection_patience\. Set -1, or a number of steps",
        ),
        (
            {"early_stopping_patience": 2, "eval_every_n_steps": 0},
            r"too late for early_stopping_patience of `水` and early_stopping_patience of `air`\.",
        ),
        ({"metric_for_best_model": "acuracy"}, r"config\.metric_for_best_model: .*Did you mean `accuracy`\?"),
    ],
)
def test_what_cannot_be_is_refused_before_training(tmp_path, keys, message):
    with pytest.raises(ConfigError, match=message):
        controller(tmp_path, **keys)


def test_a_target_without_dev_file_cannot_wait_for_better_figures(tmp_path):
    with pytest.raises(ConfigError, match=r"early_stopping_patience needs .*`air` has none\. Add one, or write"):
        controller(tmp_path, {"dev_file": None}, early_stopping_patience=2)
    controller(tmp_path, {"dev_file": None, "early_stopping_patience": None}, early_stopping_patience=2)


def test_other_dev_data_is_named_where_it_decides_the_end(tmp_path):
    keys = {"save_every_n_steps": 1, "num_epochs": 1}
    controller(tmp_path, early_stopping_patience=3, **keys).train()
    controller(tmp_path, early_stopping_patience=3, eval_every_n_steps=3, resume="auto", **keys).train()
    changed = next(line for line in tiny.log_lines(tmp_path) if "Changed since the run" in line)
    assert "eval_every_n_steps -1 → 3" in changed


@METRICS.register("wrongs_of_test_selection")
def wrongs(predictions, records):
    """A user's own metric: the less the better, and not for empty lists."""
    pairs = zip(predictions, records, strict=True)
    wrong = sum(prediction["label"] != record["label"] for prediction, record in pairs)
    return {"wrongs_of_test_selection": wrong / len(records)}


def test_a_metric_of_ones_own_is_reported_and_selects_where_it_falls(tmp_path):
    own = {"metrics": ["wrongs_of_test_selection", "accuracy"], "selection": {"air.wrongs_of_test_selection": -1}}
    controller(tmp_path, eval_every_n_steps=1, learning_rate=0.02, num_epochs=1, save_every_n_steps=1, **own).train()
    wrong = {
        row["global_step"]: row["wrongs_of_test_selection"]
        for row in tiny.metrics(tmp_path)
        if row["split"] == "dev" and row["task"] == "air"
    }
    last = checkpoints(tmp_path / "out" / "ckpt")[-1]
    best = json.loads((last / "progress.json").read_text(encoding="utf-8"))["best"]
    assert best["run"]["global_step"] == best["tasks"]["air"]["global_step"] == min(wrong, key=wrong.__getitem__)
    with pytest.raises(ConfigError, match=r"unknown metric `wrong_of_test_selection`\. Did you mean `wrongs_of_"):
        controller(tmp_path, metrics=["wrong_of_test_selection"])


def test_a_metric_that_does_not_fit_the_task_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"tasks\.air\.metrics: metric `span_f1` does not fit .* Found .* predictions are of index"
    ):
        controller(tmp_path, {"metrics": ["span_f1"]}, eval_every_n_steps=1).train()
