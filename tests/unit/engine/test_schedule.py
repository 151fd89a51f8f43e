from types import SimpleNamespace

import pytest

from palm.balancing.sampling import MixRatioSampler, SamplerFields, TaskMixture
from palm.engine.schedule import expected_steps, global_steps, main_task
from palm.schema.settings import TrainSettings


def task(name, steps_per_epoch, mix_ratio=1.0, target=True):
    return SimpleNamespace(
        name=name, steps_per_epoch=steps_per_epoch, settings=SimpleNamespace(mix_ratio=mix_ratio, target=target)
    )


def test_the_manuals_example():
    """5000 steps an epoch, 2 epochs, mix ratios 1.0, 0.5, 0.5: 10000, 5000 and 5000 steps."""
    tasks = [task("mrqa", 5000), task("match4mrqa", 25, 0.5), task("mlm4mrqa", 30, 0.5)]
    assert expected_steps(tasks, 2) == {"mrqa": 10000, "match4mrqa": 5000, "mlm4mrqa": 5000}


def test_the_first_target_is_the_main_task_wherever_it_stands():
    tasks = [task("help", 7, target=False), task("main", 100), task("other", 9, 0.25)]
    assert main_task(tasks).name == "main"
    assert expected_steps(tasks, 3) == {"help": 300, "main": 300, "other": 75}


def test_steps_are_cut_off_to_whole_ones_but_a_target_has_one_at_least():
    assert expected_steps([task("a", 3, 0.5), task("b", 3, 0.01)], 1) == {"a": 1, "b": 1}


@pytest.mark.parametrize(("max_steps", "wanted"), [(None, 200), (150, 150), (500, 200)])
def test_the_whole_run_is_the_sum_and_at_most_max_steps(max_steps, wanted):
    tasks = [task("a", 100), task("b", 50, 0.5, target=False), task("c", 1, 0.5)]
    sampler = MixRatioSampler(SamplerFields(), TaskMixture([1, 0.5, 0.5], [100, 50, 1], seed=1))
    assert global_steps(tasks, TrainSettings(num_epochs=1, max_steps=max_steps), sampler) == wanted
