"""Whatever a configuration holds: it is read or refused in words, nothing runs, and nothing leads out of save_path."""

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import palm
from palm.config.components import all_schemas
from palm.config.resolve import load_run_config
from palm.errors import CheckpointError, ConfigError
from tests.config_faults import attempt, evil_configs, good_config, mutations
from tests.integration import tiny

KEYS = sorted({key for _, schema in all_schemas() for key in schema.model_fields} | {"tasks", "task_instance"})
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
        st.sampled_from(["1, 0", "cls", "bert", "../x", "-1", "1e-4", "auto", "~", "中文", "\0", "a" * 5000]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_configuration_that_is_right_is_read(tmp_path):
    assert attempt(good_config(tmp_path), tmp_path) == "read"


@pytest.mark.parametrize(
    ("name", "text"), list(evil_configs(Path("trace"))), ids=lambda value: value[:30].split("\n")[0]
)
def test_configurations_that_attack_are_refused(name, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert attempt(text.encode("utf-8", "surrogatepass"), tmp_path) == "refused"
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("seed", range(3))
def test_mutated_configurations(seed, tmp_path):
    good = good_config(tmp_path)
    for text in mutations(good, 150, Random(seed)):
        try:
            assert attempt(text, tmp_path) in ("read", "refused")
        except Exception as error:
            raise AssertionError(repr(text)) from error


@given(keys=st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=8)), VALUES, max_size=6))
@quick
def test_any_values_under_any_keys(keys, tmp_path):
    tasks = {"water": tiny.classification_task(tmp_path, "water")}
    with suppress(ConfigError):
        load_run_config({**tiny.config(tmp_path, tasks), **keys}, overrides=[])


@given(keys=st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=8)), VALUES, max_size=6))
@quick
def test_any_values_of_a_task(keys, tmp_path):
    task = {**tiny.classification_task(tmp_path, "water"), **keys}
    with suppress(ConfigError):
        load_run_config(tiny.config(tmp_path, {"water": task}), overrides=[])


@given(
    words=st.lists(
        st.one_of(
            st.text(max_size=10), st.builds(lambda key, value: f"--{key}={value}", st.sampled_from(KEYS), VALUES)
        ),
        max_size=4,
    )
)
@quick
def test_any_words_of_the_command_line(words, tmp_path):
    tasks = {"water": tiny.classification_task(tmp_path, "water")}
    with suppress(ConfigError):
        load_run_config(tiny.config(tmp_path, tasks), overrides=words)


@given(name=st.text(max_size=12))
@quick
def test_a_task_that_is_accepted_stays_in_save_path(name, tmp_path):
    task = tiny.classification_task(tmp_path, "water")
    try:
        config = load_run_config(tiny.config(tmp_path, {name: task}), overrides=[])
    except ConfigError:
        return
    home = Path(config.run.save_path).resolve()
    (home / name).mkdir(parents=True, exist_ok=True)
    assert (home / name).resolve().parent == home


@pytest.mark.parametrize("name", ["ckpt", "earlier", "x" * 201, "字" * 67])
def test_a_task_takes_no_folder_of_palms_own_and_no_endless_name(name, tmp_path):
    task = tiny.classification_task(tmp_path, "water")
    with pytest.raises(ConfigError, match="a task name has at most 200 bytes and is not"):
        load_run_config(tiny.config(tmp_path, {name: task}), overrides=[])


@pytest.mark.parametrize(
    "inner",
    ["log.txt", "metrics.jsonl", "config.resolved.yaml", "ckpt", "earlier", "water", "water/infer_model",
     "water/best_infer_model", "water/predictions.json"],
)  # fmt: skip
def test_links_in_save_path_that_lead_out_are_refused_before_anything_is_written(inner, tmp_path):
    secret = tmp_path / "mine"
    secret.mkdir() if "." not in inner else secret.write_text("mine")
    link = tmp_path / "out" / inner
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    made = tiny.config(tmp_path, {"water": tiny.classification_task(tmp_path, "water")}, max_steps=1, resume="auto")
    with pytest.raises(CheckpointError, match="what a run writes stays in save_path"):
        palm.Controller(made, overrides=[]).train()
    assert (list(secret.iterdir()) == []) if secret.is_dir() else (secret.read_text() == "mine")


def test_save_path_itself_may_be_a_link(tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "large disk")
    made = tiny.config(tmp_path, {"water": tiny.classification_task(tmp_path, "water")}, max_steps=1)
    palm.Controller(made, overrides=[]).train()
    assert (tmp_path / "large disk" / "water" / "infer_model" / "manifest.json").is_file()
