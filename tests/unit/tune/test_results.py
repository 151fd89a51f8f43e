import json

import yaml

from palm.config.resolve import load_run_config
from palm.tune.results import TrialRecord, best_yaml, table, write_results
from palm.tune.trial import TrialResult
from tests.unit.tune.test_trial import plan_of

RECORDS = [
    TrialRecord(0, {"learning_rate": 1e-4}, TrialResult(0.5, [0.5], 6, [(6, 0.5), (12, 0.25)], 2.5)),
    TrialRecord(1, {"learning_rate": 2e-4}, TrialResult(evaluations=[(6, 0.1)], best_step=6, pruned=True, seconds=1.0)),
    TrialRecord(2, {"learning_rate": 1e-3}, TrialResult(0.75, [0.75], 12, [(12, 0.75)], 2.0)),
    TrialRecord(3, {"learning_rate": 9e-3}, TrialResult(reason="TrainingError: NaN")),
]


def test_the_table_has_the_best_first(tmp_path):
    rows = table(plan_of(tmp_path), RECORDS, 10)
    assert rows == [
        ["trial", "意图", "step", "learning_rate", "seconds"],
        ["2", "0.7500", "12", "0.001", "2"],
        ["0", "0.5000", "6", "0.0001", "2"],
        ["1", "pruned", "6", "0.0002", "1"],
        ["3", "failed", "", "0.009", "0"],
    ]
    assert len(table(plan_of(tmp_path), RECORDS, 2)) == 3


def test_the_lowest_loss_is_first(tmp_path):
    rows = table(plan_of(tmp_path, metric_for_best_model="loss"), RECORDS, 10)
    assert [row[0] for row in rows[1:3]] == ["0", "2"]


def test_the_files(tmp_path):
    plan = plan_of(tmp_path)
    plan.folder.mkdir()
    assert write_results(plan, RECORDS, RECORDS[2]) == [plan.folder / "tune.json", plan.folder / "best.yaml"]
    written = json.loads((plan.folder / "tune.json").read_text(encoding="utf-8"))
    assert {key: written[key] for key in ("version", "metric", "direction", "seeds", "best", "best_config")} == {
        "version": 1, "metric": "意图", "direction": "maximize", "seeds": [1], "best": 2, "best_config": "best.yaml",
    }  # fmt: skip
    assert written["trials"][1] == {
        "number": 1, "state": "pruned", "values": {"learning_rate": 2e-4}, "folder": "trial_1", "score": None,
        "scores": [], "best_step": 6, "evaluations": [[6, 0.1]], "seconds": 1.0, "reason": "",
    }  # fmt: skip
    assert [trial["state"] for trial in written["trials"]] == ["complete", "pruned", "complete", "failed"]


def test_the_best_configuration_is_one_to_train(tmp_path):
    plan = plan_of(tmp_path)
    plan.folder.mkdir()
    text = best_yaml(plan, RECORDS[2])
    assert text.startswith("# Trial 2 of `palm tune`: 意图 0.7500. Its run is in ")
    (plan.folder / "best.yaml").write_text(text, encoding="utf-8")
    config = load_run_config(plan.folder / "best.yaml")
    assert config.train.learning_rate == 1e-3
    assert config.run.save_path == (plan.folder / "best").as_posix()
    assert "search" not in yaml.safe_load(text)


def test_without_a_complete_trial_there_is_no_best_configuration(tmp_path):
    plan = plan_of(tmp_path)
    plan.folder.mkdir()
    assert write_results(plan, RECORDS[3:], None) == [plan.folder / "tune.json"]
