"""Keys of samplers, weightings, gradient methods, optimizers and schedules, checked beside all others."""

from typing import ClassVar

import pytest
from pydantic import Field

from palm.balancing.gradients import GRADIENT_METHODS
from palm.balancing.sampling import SAMPLERS, MixRatioSampler, SamplerFields
from palm.config.methods import following_keys, method_defaults, training_from_keywords
from palm.config.resolve import load_run_configs
from palm.engine.methods import build_gradient_method, build_schedule, build_weighting
from palm.engine.optim import OPTIMIZERS, AdamW
from palm.errors import ConfigError, RegistryError
from palm.schema.fields import Int, TrainPath
from tests.integration import tiny


class TurnFields(SamplerFields):
    turn_length: Int = Field(ge=1, description="Steps in a row.")
    turn_file: TrainPath = Field(None, description="A file.")


class TurnSampler(MixRatioSampler):
    Config: ClassVar[type[TurnFields]] = TurnFields


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setitem(SAMPLERS._components, "turns", TurnSampler)

    def load(**keys):
        tasks = {"a": tiny.classification_task(tmp_path, "a"), "b": tiny.slot_task(tmp_path, "b")}
        return load_run_configs(tiny.config(tmp_path, tasks, **keys), overrides=[])[0]

    return load


def problems(load, **keys):
    with pytest.raises(ConfigError) as error:
        load(**keys)
    return [str(problem) for problem in error.value.problems]


def test_a_sampler_of_others_has_its_keys(load):
    config = load(sampling="turns", turn_length=3)
    assert config.methods.sampler == TurnFields(turn_length=3)
    assert config.resolved["turn_length"] == 3
    assert ("turn_length", 3, "config.turn_length") in [(row.key, row.value, row.where) for row in config.explain]


def test_what_is_wrong_with_a_key_is_said_as_of_any_other(load):
    (wrong,) = problems(load, sampling="turns", turn_length=0)
    assert wrong.startswith("config.turn_length: turn_length is a whole number, at least 1. Found `0`.")
    (missing,) = problems(load, sampling="turns")
    assert "sampler turns needs `turn_length`. Found nothing." in missing
    (unknown,) = problems(load, sampling="turns", turn_length=3, turn_lenght=3)
    assert "nothing in this run reads `turn_lenght`" in unknown
    assert "Did you mean `turn_length`?" in unknown
    (other,) = problems(load, sampling="turn", turn_length=3)
    assert "unknown sampling `turn`. Did you mean `turns`?" in other


def test_a_file_that_a_component_reads_is_looked_up_as_all_files_are(load):
    (missing,) = problems(load, sampling="turns", turn_length=3, turn_file="nowhere.txt")
    assert "turn_file names an existing file. Found `nowhere.txt`" in missing


@pytest.mark.parametrize("value", [-1, "hot"])
def test_a_wrong_value_is_found_in_a_key_that_nothing_uses(load, value):
    (wrong,) = problems(load, sampling_temperature=value)
    assert wrong.startswith("config.sampling_temperature: sampling_temperature is a number, above 0.")


def test_problems_of_components_come_with_the_others(load):
    found = problems(load, sampling="turn", turn_length=0, max_grad_norm=-1, print_every_n_steps=0)
    assert len(found) == 4


@pytest.mark.parametrize("choice", ["sampling", "weighting", "optimizer", "lr_scheduler"])
@pytest.mark.parametrize("name", [0, -1, 2.5])
def test_a_number_is_no_name_of_a_component(load, choice, name):
    (found,) = problems(load, **{choice: name})
    assert f"unknown {choice} `{name}`." in found


def test_a_key_that_a_component_needs_is_not_needed_where_another_is_chosen(load):
    assert load().methods.sampler == SamplerFields()


def test_a_name_of_two_components_is_refused(load, monkeypatch):
    monkeypatch.setitem(GRADIENT_METHODS._components, "dtp", GRADIENT_METHODS["mgda"])
    (found,) = problems(load, weighting="dtp")
    assert "stands for one component. Found `dtp` as weighting and gradient method." in found


def test_names_read_in_any_case_are_registered_in_lower_case():
    with pytest.raises(RegistryError, match="write `lion`"):
        OPTIMIZERS.register("Lion")(AdamW)
    assert "Lion" not in OPTIMIZERS


def test_an_optimizer_and_its_keys_from_a_call():
    names = {"optimizer": "AdamW", "weighting": "pcgrad", "lr_scheduler": "Constant"}
    keys = {**names, "adam_beta2": 0.98, "warmup_proportion": 0.5}
    train, methods = training_from_keywords(keys, owner="test")
    assert methods.optimizer.adam_beta2 == 0.98
    assert type(build_gradient_method(train, methods)) is GRADIENT_METHODS["pcgrad"]
    assert type(build_weighting([], train, methods)).__name__ == "FixedWeighting"
    assert build_schedule(train, methods).factor(1, 4) == 0.5


def test_what_is_wrong_with_the_keywords_of_a_call_comes_at_once():
    with pytest.raises(ConfigError) as error:
        training_from_keywords({"adam_beta2": 2, "num_epochs": 0, "sampling_cpa": 1, "optimizer": "adm"}, owner="call")
    found = "\n".join(map(str, error.value.problems))
    assert len(error.value.problems) == 4
    assert "call: there is no keyword `sampling_cpa`. Found it with `1`. Did you mean `sampling_cap`?" in found
    assert "call: unknown optimizer `adm`. Did you mean `adam`?" in found


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, []),
        ({"sampling": "adaptive", "sampling_by": "metric"}, ["sampling_by"]),
        ({"sampling_by": "metric", "weighting": "dtp", "weighting_by": "metric"}, ["weighting_by"]),
        ({"sampling": "adaptive", "sampling_by": 5}, []),
        ({"sampling": ["adaptive"]}, []),
    ],
)
def test_keys_by_which_a_run_follows_dev_metrics(values, wanted):
    assert following_keys(values) == wanted


def test_every_key_of_a_component_has_a_default_or_none():
    assert {"sampling_cap": None, "dtp_gamma": 1.0, "adam_beta1": 0.9}.items() <= method_defaults().items()
