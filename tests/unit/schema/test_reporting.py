import pytest

from palm.schema.facts import facts_of
from palm.schema.settings import TrainSettings


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, None),
        ("none", ["none"]),
        ("TensorBoard, wandb", ["tensorboard", "wandb"]),
        (["MLflow"], ["mlflow"]),
        ([], []),
    ],
)
def test_trackers_are_one_or_a_list(given, read):
    assert TrainSettings(report_to=given).report_to == read


@pytest.mark.parametrize("key", ["report_to", "run_name"])
def test_neither_key_changes_a_run(key):
    facts = facts_of(TrainSettings.model_fields[key])
    assert (facts.scope, facts.changes, facts.resume) == ("run", "nothing", "nothing")
