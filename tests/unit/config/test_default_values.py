"""Defaults of the two forms of configuration: the manual's with `task_instance`, those that serve with `tasks:`."""

import pytest
import yaml

from palm.config.resolve import load_run_configs
from tests.integration import tiny

NEW, OLD = (3, 0.06, "best"), (1, 0.0, "last")
KEYS = ("num_epochs", "warmup_proportion", "export")


def defaults(config):
    schedule = config.methods.schedule
    return config.train.num_epochs, schedule.warmup_proportion, config.train.export


@pytest.fixture
def keys(tmp_path):
    """A configuration with `tasks:` that says nothing of them."""
    config = tiny.config(tmp_path, {"水": tiny.classification_task(tmp_path, "水")})
    return {key: value for key, value in config.items() if key not in KEYS}


def test_with_tasks(keys):
    [config] = load_run_configs(keys)
    assert defaults(config) == NEW
    rows = {row.key: row.where for row in config.explain}
    assert {rows[key] for key in KEYS} == {"default with `tasks:`"}
    assert rows["learning_rate"] == "config.learning_rate"
    assert rows["optimizer"] == "default"
    # The resolved configuration says all of it, so that it gives the same run in any form.
    [again] = load_run_configs(dict(config.resolved))
    assert defaults(again) == NEW
    assert again.warnings == ()


def test_what_is_written_counts(keys):
    assert defaults(load_run_configs({**keys, "epoch": 2, "warmup_ratio": 0.5, "export": "Last"})[0]) == (
        2,
        0.5,
        "last",
    )
    assert defaults(load_run_configs(keys, overrides=["--num_epochs", "7"])[0]) == (7, *NEW[1:])


@pytest.mark.parametrize("written", ["水", ["水"]])
def test_with_task_instance_the_manual_counts(keys, written):
    [config] = load_run_configs({**keys, "task_instance": written})
    assert defaults(config) == OLD
    assert {row.key: row.where for row in config.explain}["num_epochs"] == "default"


def test_with_task_files_the_manual_counts(keys, tmp_path):
    (tmp_path / "水.yaml").write_text(yaml.safe_dump(keys.pop("tasks")["水"], allow_unicode=True), encoding="utf-8")
    [config] = load_run_configs({**keys, "task_instance": "水"}, task_dir=str(tmp_path))
    assert defaults(config) == OLD


def test_a_choice_of_tasks_on_the_command_line_changes_no_default(keys):
    assert defaults(load_run_configs(keys, overrides=["--task_instance", "水"])[0]) == NEW


def test_stages(keys):
    stages = {"one": {"task_instance": "水", "num_epochs": 2}, "two": {}}
    found = [defaults(config) for config in load_run_configs({**keys, "stages": stages})]
    assert found == [(2, *NEW[1:]), NEW]


def test_no_warning_about_a_default_without_effect(keys):
    del keys["tasks"]["水"]["dev_file"]
    assert load_run_configs(keys)[0].warnings == ()
    [warning] = load_run_configs({**keys, "export": "best"})[0].warnings
    assert "`export` only has an effect with `dev_file`" in str(warning)
