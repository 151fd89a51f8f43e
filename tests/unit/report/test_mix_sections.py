import pytest

pytest.importorskip("altair")

from palm.report.mix_sections import mix_sections
from tests.unit.report.reported import a_run, data, description, step, titles

COSINES = [
    {"split": "cosine", "global_step": number, "task": None, "cosines": {"a~b": value, "a~c": -value}}
    for number, value in ((1, 0.5), (2, 0.25))
]
STEPS = [step(1, "a"), step(2, "b"), step(3, "a")]


def test_the_mix_as_asked_and_as_achieved():
    run = a_run(records=STEPS, described=description(a=data(), b=data()))
    mix, cosines = mix_sections([run])
    assert titles(mix) == ["fraction of the steps", "mix so far", "Steps of the tasks"]
    # Of two tasks with steps 3 and 2 of their epochs.
    assert mix.blocks[2].rows == [("a", "50.0%", "60.0%", 3), ("b", "50.0%", "40.0%", 2)]
    assert cosines.blocks == ()


def test_a_run_without_description_says_that_it_does_not_know():
    mix, _ = mix_sections([a_run(records=STEPS)])
    assert "no run.json" in mix.blocks[-1].text
    assert mix.blocks[-1].is_note


def test_probabilities_of_an_adaptive_sampler_and_factors_of_a_weighting():
    records = [step(1, "a", sampling_probabilities={"a": 0.3, "b": 0.7}, loss_factor=1.5), step(2, "b")]
    mix, _ = mix_sections([a_run(records=records)])
    assert {"sampling probabilities", "loss factors"} <= set(titles(mix))


def test_the_matrix_of_cosines():
    _, cosines = mix_sections([a_run("one", COSINES), a_run("two")])
    assert titles(cosines)[:2] == ["mean of 2 measurements (one)", "over the steps (one)"]
    (rows,) = cosines.blocks[0].spec["datasets"].values()
    found = {(row["r"], row["c"]): row["v"] for row in rows}
    assert found["a", "b"] == found["b", "a"] == 0.375
    assert found["c", "a"] == -0.375
    assert found["b", "b"] == 1.0
    assert found["b", "c"] is None
    assert "a and c -0.38" in cosines.blocks[0].description


def test_one_measurement_is_no_curve():
    _, cosines = mix_sections([a_run(records=COSINES[:1])])
    assert titles(cosines)[0] == "mean of 1 measurements"
    assert len(cosines.blocks) == 2


def test_a_run_of_one_task_has_no_mix():
    assert [section.blocks for section in mix_sections([a_run(records=STEPS[:1])])] == [(), ()]
