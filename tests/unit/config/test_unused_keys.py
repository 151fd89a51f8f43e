"""Keys that the choices of a run leave without effect: each is reported with its place, and nothing else is."""

import pytest

from palm.balancing.sampling import SAMPLERS, MixRatioSampler
from palm.balancing.sampling.by_size import SizeFields
from palm.config.components import all_schemas
from palm.config.resolve import load_run_configs
from palm.config.unused_keys import reading_conditions
from palm.schema.facts import FURTHER_TASKS
from tests.integration import tiny


def warnings(folder, keys=None, tasks=None, overrides=(), **of_task):
    tasks = tasks or {"a": {**tiny.classification_task(folder, "意图"), **of_task}, "b": tiny.slot_task(folder, "b")}
    configs = load_run_configs(tiny.config(folder, tasks, **(keys or {})), overrides=list(overrides))
    return [str(warning) for config in configs for warning in config.warnings]


def test_a_key_of_another_choice_is_said_with_its_place_and_what_goes_with_it(tmp_path):
    (said,) = warnings(tmp_path, {"sampling_cap": 3, "sampling": "exact"})
    assert said == (
        "config.sampling_cap: `sampling_cap` only has an effect with `sampling: annealed` or `sampling: proportional` "
        "or `sampling: temperature`. Found it with `sampling: exact`. Change that, or remove the key."
    )


@pytest.mark.parametrize(
    ("keys", "idle"),
    [
        ({"sampling_temperature": 5}, ["sampling_temperature"]),
        ({"sampling_temperature": 5, "sampling": "temperature"}, []),
        ({"sampling_temperature": 2.0}, ["sampling_temperature"]),  # the default: to be meant, it needs the sampler
        ({"sampling_temperature": 2.0, "sampling": "exact"}, []),  # everything spelt out
        ({"sampling_floor": 0.5, "sampling_by": "metric"}, ["sampling_by", "sampling_floor"]),
        ({"mode": "joint", "mix_ratio": "1.0, 0.5"}, ["mix_ratio"]),
        ({"mode": "joint", "mix_ratio": "1, 0", "target_tag": "1, 0"}, []),
        ({"mode": "joint", "mix_ratio": "1, 1"}, []),
        ({"dtp_gamma": 2, "weighting": "dwa"}, ["dtp_gamma"]),
        ({"dtp_gamma": 2, "weighting_by": "metric", "weighting": "dtp"}, []),
        ({"gradnorm_alpha": 1, "weighting_learning_rate": 0.1}, ["gradnorm_alpha", "weighting_learning_rate"]),
        ({"weighting_learning_rate": 0.1, "weighting": "uncertainty"}, []),
        ({"ema_decay": 0.9}, ["ema_decay"]),
        ({"ema_decay": 0.9, "use_ema": True}, []),
        ({"ema_decay": 0.9, "weight_average": "ema"}, []),
        ({"swa_start": 0.5, "ema_decay": 0.9, "weight_average": "swa"}, ["ema_decay"]),
        ({"keep_checkpoints": 9}, ["keep_checkpoints"]),
        ({"save_total_limit": 9, "save_steps": 2}, []),
        ({"keep_checkpoints": 9, "selection": "a"}, []),
        ({"selection": "a", "selection_min_delta": 0.1}, ["selection_min_delta"]),
        ({"selection": "a", "selection_min_delta": 0.1, "selection_patience": 2}, []),
        ({"smart_epsilon": 0.1}, ["smart_epsilon"]),
        ({"smart_epsilon": 0.1, "smart_weight": 1}, []),
        ({"sharing_size": 4, "sharing_layers": 1, "soft_sharing_weight": 1},
         ["soft_sharing_weight", "sharing_size", "sharing_layers"]),
        ({"sharing_size": 4, "sharing": "lora"}, []),
        ({"sharing_layers": 1, "soft_sharing_weight": 1, "sharing": "soft"}, []),
        ({"layer": 0, "layers": "mix"}, ["layer"]),
        ({"layer": 0}, []),
        ({"head_hidden_size": 8}, ["head_hidden_size"]),
        ({"head_hidden_size": 8, "head": "mlp"}, []),
        ({"group_by_length": False, "shuffle": False}, []),
        ({"shuffle": False, "max_tokens": 99, "drop_last": False}, ["drop_last"]),
        ({"alpha_rdrop": 1.0}, ["alpha_rdrop"]),
        ({"alpha_rdrop": 1.0, "use_rdrop": True}, []),
        ({"early_stopping_min_delta": 0.1}, ["early_stopping_min_delta"]),
        ({"early_stopping_min_delta": 0.1, "early_stopping_patience": 2}, []),
        ({"eval_every_n_steps": 5}, []),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_choices_leave_idle(tmp_path, keys, idle):
    found = [said.split("`")[1] for said in warnings(tmp_path, keys)]
    assert sorted(found) == sorted(idle)


def test_a_setting_that_one_task_reads_is_not_idle(tmp_path):
    assert not warnings(tmp_path, {"sharing_size": 4}, sharing="adapter")
    (said,) = warnings(tmp_path, sharing_size=4)
    assert said.startswith("config.tasks.a.sharing_size: `sharing_size` only has an effect with `sharing: adapter` or")


def test_patience_of_an_auxiliary_task(tmp_path):
    (said,) = warnings(tmp_path, {"target_tag": "0, 1"}, early_stopping_patience=2)
    assert said.startswith(
        "config.tasks.a.early_stopping_patience: `early_stopping_patience` only has an effect with `target: true`"
    )


def test_evaluation_without_a_dev_file(tmp_path):
    task = tiny.classification_task(tmp_path, "a")
    del task["dev_file"]
    (said,) = warnings(tmp_path, {"eval_steps": 5}, {"a": task})
    assert said.startswith(
        "config.eval_steps: `eval_steps` only has an effect with `dev_file`. Found it with no `dev_file`."
    )


def test_methods_between_tasks_where_there_is_one(tmp_path):
    task = {"a": tiny.classification_task(tmp_path, "a")}
    said = warnings(tmp_path, {"weighting": "dwa", "mode": "joint", "leave_mix_when_finished": True}, task)
    assert sorted(line.split("`")[1] for line in said) == ["leave_mix_when_finished", "mode", "weighting"]
    rule = "`weighting` only has an effect with several tasks. Found it with no other task."
    assert any(rule in line for line in said)
    assert not warnings(tmp_path, {"weighting": "uncertainty", "sampling": "mix_ratio", "mode": "alternating"}, task)


def test_a_key_for_all_stages_that_one_of_them_reads(tmp_path):
    stages = {"one": {"weighting": "dtp"}, "two": {"gradnorm_alpha": 1}}
    (said,) = warnings(tmp_path, {"stages": stages, "dtp_gamma": 2})
    assert said.startswith("config.stages.two.gradnorm_alpha: ")


def test_the_command_line_is_the_place(tmp_path):
    (said,) = warnings(tmp_path, overrides=["--dtp_gamma", "2"])
    assert said.startswith(
        "--dtp_gamma: `dtp_gamma` only has an effect with `weighting: dtp`. Found it with `weighting: fixed`."
    )


def test_a_saved_configuration_says_nothing_more(tmp_path):
    tasks = {"a": tiny.classification_task(tmp_path, "a")}
    first = load_run_configs(tiny.config(tmp_path, tasks, sampling_cap=3), overrides=[])[0]
    again = load_run_configs(first.resolved, overrides=[])[0]
    assert [str(warning) for warning in again.warnings] == [str(warning) for warning in first.warnings]


def test_samplers_of_others_read_what_they_declare(tmp_path, monkeypatch):
    theirs = type("Theirs", (MixRatioSampler,), {"Config": SizeFields})
    monkeypatch.setitem(SAMPLERS._components, "theirs", theirs)
    (said,) = warnings(tmp_path, {"sampling": "theirs", "sampling_cap": 3, "sampling_floor": 0.5})
    assert said.startswith("config.sampling_floor: `sampling_floor` only has an effect with `sampling: adaptive`.")


def test_nothing_is_said_where_a_run_only_predicts(tmp_path):
    made = tiny.config(tmp_path, {"a": tiny.classification_task(tmp_path, "a")}, sampling_cap=3)
    assert not load_run_configs(made, for_train=False, overrides=[])[0].warnings


def test_every_key_and_choice_of_the_table_exists():
    keys = {key for _, schema in all_schemas() for key in schema.model_fields}
    named = {choice for conditions in reading_conditions().values() for each in conditions for choice in each.choices}
    assert named <= keys | {FURTHER_TASKS}
    assert {"max_tokens", "sampling", "sharing", "label_kind", FURTHER_TASKS} <= named


def test_who_reads_a_key_of_a_component_is_who_declares_it():
    found = [each.choices for each in reading_conditions()["sampling_cap"]]
    assert found == [{"sampling": ("annealed", "proportional", "temperature")}]
