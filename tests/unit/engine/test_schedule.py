from types import SimpleNamespace

import pytest

from palm.balancing.sampling import MixRatioSampler, SamplerFields, TaskMixture
from palm.engine import schedule
from palm.engine.schedule import expected_steps, global_steps, main_task
from palm.errors import ConfigError
from palm.schema.settings import TrainSettings


def task(name, steps_per_epoch, mix_ratio=1.0, target=True):
    return SimpleNamespace(
        name=name, steps_per_epoch=steps_per_epoch, settings=SimpleNamespace(mix_ratio=mix_ratio, target=target)
    )


def test_the_manuals_example():
    """5000 steps per epoch, 2 epochs, mix ratios 1.0, 0.5, 0.5: 10000, 5000 and 5000 steps."""
    tasks = [task("mrqa", 5000), task("match4mrqa", 25, 0.5), task("mlm4mrqa", 30, 0.5)]
    assert expected_steps(tasks, 2) == {"mrqa": 10000, "match4mrqa": 5000, "mlm4mrqa": 5000}


def test_the_first_target_is_the_main_task_wherever_it_stands():
    tasks = [task("help", 7, target=False), task("main", 100), task("other", 9, 0.25)]
    assert main_task(tasks).name == "main"
    assert expected_steps(tasks, 3) == {"help": 300, "main": 300, "other": 75}


def test_steps_are_cut_off_to_whole_ones_but_a_target_has_one_at_least():
    assert expected_steps([task("a", 3, 0.5), task("b", 3, 0.01)], 1) == {"a": 1, "b": 1}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_steps", [None, 150, 500])
def test_the_whole_run_lasts_until_the_last_target_is_done_and_at_most_max_steps(max_steps, seed):
    tasks = [task("a", 100), task("b", 50, 0.5, target=False), task("c", 1, 0.5)]
    sampler = MixRatioSampler(SamplerFields(), TaskMixture([1, 0.5, 0.5], [100, 50, 1], seed=seed))
    chosen = [sampler.task_at(step) for step in range(1, 2000)]
    counts = {0: 100, 2: 50}
    done = max(
        next(step for step in range(1, 2000) if chosen[:step].count(index) == count) for index, count in counts.items()
    )
    wanted = done if max_steps is None else min(done, max_steps)
    assert global_steps(tasks, TrainSettings(num_epochs=1, max_steps=max_steps), sampler) == wanted


def test_a_sampler_that_forgets_a_target_is_refused_before_training(monkeypatch):
    """After 50 × (3 + 1 + 50) choices here: a million, as outside of tests, take long."""
    monkeypatch.setattr(schedule, "_PATIENCE", 50)
    tasks = [task("a", 3), task("b", 3, 1e-12)]
    sampler = MixRatioSampler(SamplerFields(), TaskMixture([1, 1e-12], [3, 3], seed=1))
    with pytest.raises(ConfigError, match=r"left b unfinished after 2700 choices"):
        global_steps(tasks, TrainSettings(num_epochs=1), sampler)
