"""Samplers by size: shares against the formulas worked by hand, and purity."""

import numpy as np
import pytest

from palm.balancing.sampling import SAMPLERS, TaskMixture


def made(name, *, cap=None, temperature=2.0, **of_tasks):
    chosen = SAMPLERS[name]
    keys = {"sampling_cap": cap, "sampling_temperature": temperature}
    config = chosen.Config(**{key: value for key, value in keys.items() if key in chosen.Config.model_fields})
    return chosen(config, TaskMixture(**{"mix_ratios": [1, 1, 1], "batches": [160, 40, 10], "seed": 5, **of_tasks}))


def probabilities(sampler, steps):
    return np.bincount([sampler.task_at(step) for step in steps], minlength=3) / len(steps)


@pytest.mark.parametrize(
    ("name", "keys", "wanted"),
    [
        ("proportional", {}, [16 / 21, 4 / 21, 1 / 21]),
        ("proportional", {"mix_ratios": [0.25, 1, 0]}, [0.5, 0.5, 0]),
        ("proportional", {"cap": 40}, [4 / 9, 4 / 9, 1 / 9]),
        ("temperature", {"batches": [160, 40, 10], "temperature": 2.0}, [4 / 7, 2 / 7, 1 / 7]),
        ("temperature", {"temperature": 2.0, "cap": 40}, [2 / 5, 2 / 5, 1 / 5]),
        ("temperature", {"temperature": 1.0, "mix_ratios": [1, 1, 0]}, [0.8, 0.2, 0]),
        ("temperature", {"temperature": 1e-3}, [1, 0, 0]),  # 160 ** 1000 is no float
        ("temperature", {"temperature": 1e-320, "batches": [8, 8, 2]}, [0.5, 0.5, 0]),
    ],
)
def test_shares_are_those_of_the_formula(name, keys, wanted):
    sampler = made(name, **keys)
    assert probabilities(sampler, range(1, 20_001)) == pytest.approx(wanted, abs=0.01)
    assert np.divide(sampler.epoch_steps, sum(sampler.epoch_steps)) == pytest.approx(wanted)


def test_a_temperature_keeps_the_length_of_an_epoch():
    assert sum(made("temperature", temperature=5.0).epoch_steps) == pytest.approx(210)


def test_annealing_goes_from_proportional_to_nearly_even():
    sampler = made("annealed", num_epochs=1000)
    first, last = probabilities(sampler, range(1, 4001)), probabilities(sampler, range(206_000, 210_001))
    powers = np.array([16.0, 4.0, 1.0]) ** 0.2
    assert first == pytest.approx([16 / 21, 4 / 21, 1 / 21], abs=0.03)
    assert last == pytest.approx(powers / powers.sum(), abs=0.03)
    assert probabilities(sampler, range(1, 210_001, 10)) == pytest.approx(np.divide(sampler.epoch_steps, 210), abs=0.01)


@pytest.mark.parametrize(("step", "power"), [(1, 1.0), (2, 0.6), (3, 0.2), (8, 0.2)])
def test_the_power_falls_in_equal_steps_from_the_first_to_the_last(step, power):
    """1 - 0.8 (e - 1) / (E - 1) of the paper, with E = 3; 3000 seeds."""
    drawn = [made("annealed", max_steps=3, seed=seed).task_at(step) for seed in range(3000)]
    powers = np.array([160.0, 40.0, 10.0]) ** power
    assert np.bincount(drawn, minlength=3) / 3000 == pytest.approx(powers / powers.sum(), abs=0.03)


def test_annealing_spans_max_steps_where_that_is_shorter():
    assert probabilities(made("annealed", max_steps=10, batches=[10**9, 1, 1]), range(10, 4000))[0] < 0.99


def test_every_batch_comes_once_an_epoch_in_an_order_of_its_own():
    sampler = made("exact")
    epochs = [[sampler.task_at(step) for step in range(start, start + 210)] for start in (1, 211)]
    assert [np.bincount(epoch).tolist() for epoch in epochs] == [[160, 40, 10]] * 2
    assert epochs[0] != epochs[1]
    assert sampler.epoch_steps == (160, 40, 10)


@pytest.mark.parametrize("seed", range(8))
def test_an_epoch_begins_and_ends_where_the_counts_say(seed):
    sampler = made("exact", batches=[3, 2, 1], seed=seed)
    for start in (1, 7, 13, 19):
        assert sorted(sampler.task_at(step) for step in range(start, start + 6)) == [0, 0, 0, 1, 1, 2]


def test_exact_keeps_a_small_ratio_and_leaves_out_zero():
    assert made("exact", mix_ratios=[0.5, 0.001, 0]).epoch_steps == (80, 1, 0)
    assert made("exact", mix_ratios=[0.01, 0.06, 0.26]).epoch_steps == (2, 2, 3)  # 1.6, 2.4 and 2.6


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_a_draw_depends_on_seed_and_step_alone(name):
    forwards = [made(name).task_at(step) for step in range(1, 500)]
    other = made(name)
    assert forwards == [other.task_at(step) for step in range(499, 0, -1)][::-1]
    assert forwards != [made(name, seed=6).task_at(step) for step in range(1, 500)]
