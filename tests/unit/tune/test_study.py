import json

import pytest

from palm.errors import CheckpointError, ConfigError
from palm.tune import study as study_module
from palm.tune.study import Study
from palm.tune.trial import TrialResult
from tests.unit.tune.test_trial import plan_of

pytest.importorskip("optuna")

SEARCH = ["learning_rate: [1e-4, 1e-2, log]", "batch_size: {choices: [8, 16]}", "num_epochs: [1, 3]"]


@pytest.fixture
def trained(monkeypatch):
    """The values of trials, which are not trained: their score is the learning rate."""
    values = []

    def run_trial(plan, number, given, report):
        values.append(given)
        pruned = report(1, given["learning_rate"])
        score = None if pruned else given["learning_rate"]
        return TrialResult(score, [] if pruned else [score], 6, [(6, given["learning_rate"])], 1.0, pruned)

    monkeypatch.setattr(study_module, "run_trial", run_trial)
    return values


def open_study(plan, *, resume=False, prune=False, keep_models=True):
    return Study(plan, resume=resume, prune=prune, keep_models=keep_models)


def test_the_configuration_itself_is_tried_first(tmp_path, trained):
    study, lines = open_study(plan_of(tmp_path, SEARCH)), []
    study.run(3, lines.append)
    assert trained[0] == {"learning_rate": 5e-3, "batch_size": 8, "num_epochs": 2}
    assert all(1e-4 <= values["learning_rate"] <= 1e-2 and values["batch_size"] in (8, 16) for values in trained)
    assert {type(values["num_epochs"]) for values in trained} == {int}
    assert len(lines) == 3
    assert lines[0].startswith(
        "[1/3] trial 0: learning_rate 0.005, batch_size 8, num_epochs 2: 意图 0.0050 (best 0.0050, "
    )


def test_a_search_continues_to_a_number_of_trials(tmp_path, trained):
    plan = plan_of(tmp_path, SEARCH)
    open_study(plan).run(2, print)
    study = open_study(plan, resume=True)
    study.run(5, print)
    assert [record.number for record in study.records()] == [0, 1, 2, 3, 4]
    assert len({json.dumps(values) for values in trained}) == 5, "no value is tried twice"
    assert study.best.values["learning_rate"] == max(values["learning_rate"] for values in trained)


def test_a_trial_that_was_stopped_is_taken_again(tmp_path, monkeypatch, trained):
    plan = plan_of(tmp_path, SEARCH)
    own = study_module.run_trial

    def stops(plan, number, given, report):
        if number == 1:
            trained.append(given)
            raise KeyboardInterrupt
        return own(plan, number, given, report)

    monkeypatch.setattr(study_module, "run_trial", stops)
    with pytest.raises(KeyboardInterrupt):
        open_study(plan).run(4, print)
    study = open_study(plan, resume=True)
    assert [record.number for record in study.records()] == [0]
    study.run(2, print)
    assert [record.number for record in study.records()] == [0, 2]
    assert trained[2] == trained[1]
    again = open_study(plan, resume=True)
    again.run(3, print)
    assert trained[3] != trained[1], "once is enough"


def test_a_trial_whose_process_died_is_taken_again(tmp_path, trained):
    plan = plan_of(tmp_path, SEARCH)
    died = open_study(plan)
    trial = died._study.ask()
    values = {each.key: died._suggest(trial, each) for each in plan.space}
    study = open_study(plan, resume=True)
    study.run(1, print)
    assert trained == [values]


def test_worse_trials_are_pruned(tmp_path, trained):
    study = open_study(plan_of(tmp_path, SEARCH), prune=True)
    study.run(12, print)
    states = [record.state for record in study.records()]
    assert states[:4] == ["complete"] * 4
    assert "pruned" in states


def test_only_the_best_trial_keeps_its_models(tmp_path, trained, monkeypatch):
    removed = []
    monkeypatch.setattr(study_module, "remove_models", lambda folder: removed.append(folder.name))
    study = open_study(plan_of(tmp_path, SEARCH), keep_models=False)
    study.run(3, print)
    assert f"trial_{study.best.number}" not in removed[-2:]
    assert len(set(removed[-2:])) == 2


def fault(plan, **keys):
    with pytest.raises(ConfigError) as caught:
        open_study(plan, **keys)
    return str(caught.value)


def test_a_search_is_not_mixed_with_another_one(tmp_path, trained):
    open_study(plan_of(tmp_path, SEARCH)).run(1, print)
    assert "Continue it with --resume, or choose another save_path." in fault(plan_of(tmp_path, SEARCH))
    assert "Found another `search:`." in fault(plan_of(tmp_path, SEARCH[:1]), resume=True)
    assert "Found others of max_grad_norm." in fault(plan_of(tmp_path, SEARCH, max_grad_norm=3.0), resume=True)
    assert "Found others of seeds." in fault(plan_of(tmp_path, SEARCH, seeds=2), resume=True)


def test_a_damaged_file_is_named(tmp_path):
    plan = plan_of(tmp_path, SEARCH)
    plan.folder.mkdir()
    (plan.folder / "study.journal").write_text("{\n{\n")
    with pytest.raises(CheckpointError, match=r"study\.journal: the file of a search is one that Optuna can read"):
        open_study(plan, resume=True)


def test_without_optuna_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert 'pip install "paddle-palm[tune]"' in fault(plan_of(tmp_path, SEARCH))
