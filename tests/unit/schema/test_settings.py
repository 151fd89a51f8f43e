"""Keys of the run: documented, of one type wherever declared, and with the manual's defaults."""

import itertools

import pytest

from palm.config.components import all_schemas, run_schemas
from palm.config.methods import training_from_keywords
from palm.schema.fields import Schema
from palm.schema.run_settings import TaskLists
from palm.schema.settings import TaskSettings, TrainSettings
from palm.schema.validate import rule
from palm.schema.values import ALIASES

SCHEMAS = dict(all_schemas())
PAIRS = list(itertools.combinations(SCHEMAS, 2))
ALLOWED = {("mix_ratio", frozenset({"run, one value per task", "task"}))}


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=[" and ".join(pair) for pair in PAIRS])
def test_a_key_has_one_type_wherever_it_is_declared(one: str, other: str) -> None:
    fields, others = SCHEMAS[one].model_fields, SCHEMAS[other].model_fields
    for key in fields.keys() & others.keys():
        if (key, frozenset({one, other})) not in ALLOWED:
            assert fields[key].annotation == others[key].annotation, key
            assert rule(fields[key]) == rule(others[key]), key


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_every_key_is_documented(schema: type[Schema]) -> None:
    for key, field in schema.model_fields.items():
        assert field.description, key
        assert field.description.endswith((".", "…")), key


def test_aliases_lead_to_keys_and_are_none_themselves() -> None:
    keys = {key for schema in SCHEMAS.values() for key in schema.model_fields}
    assert set(ALIASES.values()) <= keys
    assert not set(ALIASES) & keys


def test_defaults_of_the_manual() -> None:
    train, methods = training_from_keywords({}, owner="test")
    assert (train.print_every_n_steps, train.save_every_n_steps, train.random_seed) == (5, -1, 1)
    assert (train.use_gpu, train.use_ema, train.ema_decay) == (True, False, 0)
    assert (methods.schedule.warmup_proportion, methods.optimizer.weight_decay) == (0, 0)
    task = TaskSettings(reader="cls", paradigm="cls")
    assert (task.shuffle, task.pred_batch_size, task.print_first_n) == (True, None, 0)
    assert (task.mix_ratio, task.target, task.share_head_with) == (1.0, True, None)
    assert TaskLists() == TaskLists(mix_ratio=None, target_tag=None, task_reuse_tag=None)


def test_every_key_of_the_manual_is_known() -> None:
    of_the_run = (
        "task_instance mix_ratio target_tag task_reuse_tag backbone backbone_config_path save_path vocab_path "
        "print_every_n_steps save_every_n_steps optimizer learning_rate epoch num_epochs use_gpu warmup_proportion "
        "use_ema ema_decay random_seed weight_decay"
    )
    known = {key for schema in run_schemas() for key in schema.model_fields} | set(ALIASES)
    assert set(of_the_run.split()) <= known
    of_tasks = "vocab_path batch_size train_file pred_file shuffle seed pred_batch_size print_first_n pred_output_path"
    assert set(of_tasks.split()) <= set(TaskSettings.model_fields) | set(ALIASES)


def test_minus_one_steps_means_no_limit() -> None:
    assert TrainSettings.model_validate({"max_steps": -1}).max_steps is None
    assert TrainSettings.model_validate({"max_steps": "-1"}).max_steps is None


def test_names_of_optimizers_are_read_in_any_case() -> None:
    assert TrainSettings.model_validate({"optimizer": "AdamW"}).optimizer == "adamw"
