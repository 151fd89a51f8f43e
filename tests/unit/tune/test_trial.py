import pytest

from palm.tune.trial import remove_models, run_trial, seed_folder, trial_folder
from tests.unit.tune.test_plan import make_plan, write


def plan_of(tmp_path, search=("learning_rate: [1e-4, 1e-2]",), seeds=1, **keys):
    file = write(tmp_path, search, report_to="none", **keys)
    return make_plan(file, task_dir=".", overrides=(), seeds=seeds)


def test_a_trial_is_a_run_in_its_own_folder(tmp_path, capfd):
    plan = plan_of(tmp_path)
    reported = []
    result = run_trial(plan, 3, {"learning_rate": 1e-3}, lambda *each: bool(reported.append(each)))
    assert reported == [(1, result.evaluations[0][1]), (2, result.evaluations[1][1])]
    assert [step for step, _ in result.evaluations] == [6, 12]
    assert result.score == max(value for _, value in result.evaluations)
    assert result.scores == [result.score]
    assert (result.pruned, result.reason) == (False, "")
    assert "learning_rate: 0.001" in (trial_folder(plan, 3) / "config.resolved.yaml").read_text()
    assert capfd.readouterr().out == ""


def test_a_trial_that_is_pruned_ends_at_once(tmp_path):
    plan = plan_of(tmp_path)
    result = run_trial(plan, 0, {"learning_rate": 1e-3}, lambda evaluation, value: evaluation == 1)
    assert (result.pruned, result.score) == (True, None)
    assert [step for step, _ in result.evaluations] == [6]
    assert not (trial_folder(plan, 0) / "infer_model").exists()


def test_each_seed_is_a_run_and_the_score_their_mean(tmp_path):
    plan = plan_of(tmp_path, seeds=2)
    result = run_trial(plan, 0, {"learning_rate": 5e-3}, lambda *_: False)
    assert len(result.scores) == 2
    assert result.score == pytest.approx(sum(result.scores) / 2)
    for seed in plan.seeds:
        assert f"random_seed: {seed}" in (seed_folder(plan, 0, seed) / "config.resolved.yaml").read_text()


def test_an_error_of_a_trial_is_its_result(tmp_path):
    plan = plan_of(tmp_path, ["learning_rate: [1e-4, 1e30]"], amp="off")
    result = run_trial(plan, 0, {"learning_rate": 1e30}, lambda *_: False)
    assert result.score is None
    assert result.reason.startswith("TrainingError: ")


def test_models_are_removed_and_the_rest_stays(tmp_path):
    plan = plan_of(tmp_path, save_every_n_steps=6)
    run_trial(plan, 0, {"learning_rate": 1e-3}, lambda *_: False)
    folder = trial_folder(plan, 0)
    assert (folder / "意图" / "infer_model").is_dir()
    remove_models(folder)
    left = {path.name for path in folder.rglob("*")}
    assert {"log.txt", "metrics.jsonl", "config.resolved.yaml"} <= left
    assert not {"ckpt", "infer_model", "best_infer_model"} & left
