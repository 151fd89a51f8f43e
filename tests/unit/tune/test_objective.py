import pytest

from palm.config.resolve import load_run_config
from palm.tune.objective import JudgedRun, Objective, objective_problems
from tests.integration import tiny


def config(tmp_path, **keys):
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("意图", "two")}
    return load_run_config({**tiny.config(tmp_path, tasks), **keys})


METRICS = {
    "意图": {"loss": 0.4, "accuracy": 0.5, "macro_f1": 0.9},
    "two": {"loss": 0.2, "accuracy": 1.0, "macro_f1": 0.7},
}


@pytest.mark.parametrize(
    ("keys", "name", "falls", "value"),
    [
        ({}, "mean of 意图 + two", False, 0.75),
        ({"metric_for_best_model": "accuracy"}, "accuracy", False, 0.75),
        ({"metric_for_best_model": "two.macro_f1"}, "two.macro_f1", False, 0.7),
        ({"metric_for_best_model": "loss"}, "loss", True, 0.3),
        ({"selection": {"意图.macro_f1": 1.0}}, "意图.macro_f1", False, 0.9),
        ({"selection": {"意图": 3, "two": 1}}, "mean of 3 意图 + two", False, 0.625),
    ],
)
def test_what_trials_are_compared_by(tmp_path, keys, name, falls, value):
    objective = Objective.of(config(tmp_path, **keys))
    assert (objective.name, objective.falls) == (name, falls)
    assert objective.score(METRICS) == pytest.approx(value)


def test_a_value_needs_all_of_its_tasks(tmp_path):
    assert Objective.of(config(tmp_path)).score({"two": METRICS["two"]}) is None
    assert Objective.of(config(tmp_path, metric_for_best_model="two.accuracy")).score({"two": METRICS["two"]}) == 1.0


def test_a_judge_follows_complete_evaluations(tmp_path):
    judge = JudgedRun(Objective.of(config(tmp_path)))
    for step, one, two in ((5, 0.5, 0.5), (10, 0.75, 1.0), (15, 0.5, 0.25), (20, float("nan"), 1.0)):
        assert judge.add(step, "意图", {"loss": 1.0, "accuracy": one}) is None
        judge.add(step, "two", {"loss": 1.0, "accuracy": two})
    assert judge.evaluations[:3] == [(5, 0.5), (10, 0.875), (15, 0.375)]
    assert (judge.best, judge.best_step) == (0.875, 10)


def test_lower_is_better_for_a_loss(tmp_path):
    objective = Objective.of(config(tmp_path, metric_for_best_model="loss"))
    assert objective.better(0.1, 0.2)
    assert not objective.better(0.3, 0.2)
    assert objective.better(0.3, None)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"stages": {"one": {}, "two": {}}}, "a search is over a single run, not over several stages."),
        ({"dev_file": None}, "Found no target with one."),
        ({"eval_every_n_steps": 0}, "Found eval_every_n_steps: 0."),
    ],
)
def test_what_has_no_objective(tmp_path, keys, message):
    plain = tiny.config(tmp_path, {name: tiny.classification_task(tmp_path, name) for name in ("a", "b")})
    if "dev_file" in keys:
        for task in plain["tasks"].values():
            task["dev_file"] = None
    found = objective_problems(load_run_config({**plain, **keys}), "c.yaml:1")
    assert [str(each)[:10] for each in found] == ["c.yaml:1: "]
    assert message in found[0].message


def test_a_configuration_that_can_be_searched(tmp_path):
    assert objective_problems(config(tmp_path), "c.yaml:1") == []
