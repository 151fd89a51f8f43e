import pytest

from palm.config.resolve import load_run_config
from palm.errors import ConfigError
from palm.tracking import TRACKERS
from tests.integration import tiny


def problems(tmp_path, report_to, **keys):
    config = tiny.config(tmp_path, {"a": tiny.classification_task(tmp_path, "a")})
    try:
        load_run_config({**config, "report_to": report_to}, **keys)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.fixture
def all_installed(monkeypatch):
    for name in TRACKERS:
        monkeypatch.setattr(TRACKERS[name], "is_installed", classmethod(lambda cls: True))


@pytest.fixture
def none_installed(monkeypatch):
    for name in TRACKERS:
        monkeypatch.setattr(TRACKERS[name], "is_installed", classmethod(lambda cls: False))


@pytest.mark.parametrize("given", [None, "none", [], "wandb", ["tensorboard", "MLflow"], "visualdl, swanlab"])
@pytest.mark.usefixtures("all_installed")
def test_known_trackers_pass(tmp_path, given):
    assert problems(tmp_path, given) == []


@pytest.mark.usefixtures("all_installed")
def test_a_mistyped_tracker_has_a_suggestion(tmp_path):
    (found,) = problems(tmp_path, "wandbb")
    assert found.startswith("config.report_to: unknown tracker `wandbb`. Did you mean `wandb`? Known: mlflow, ")


@pytest.mark.usefixtures("all_installed")
def test_none_stands_alone(tmp_path):
    assert problems(tmp_path, "none, wandb") == [
        "config.report_to: report_to: `none` stands alone. Found it with wandb. Remove one of them."
    ]


@pytest.mark.usefixtures("none_installed")
def test_a_tracker_that_is_asked_for_has_to_be_installed(tmp_path):
    assert problems(tmp_path, "tensorboard") == [
        "config.report_to: report_to: tensorboard needs the package `tensorboardX`. Found none. "
        'pip install "paddle-palm[tensorboard]", or remove it from the list.'
    ]
    assert problems(tmp_path, None) == []
    assert problems(tmp_path, "tensorboard", for_train=False) == []
