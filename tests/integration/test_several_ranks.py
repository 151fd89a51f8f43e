"""Two real processes against one: they train the same model, whatever the method, and stop and resume alike.

All cases of a number of processes go through one start of them. Parameters are compared with a large `adam_epsilon`:
Adam divides by the root of a mean square, and so makes steps as large as any other of what is zero but for rounding.
"""

import json

import pytest

from benchmarks.scale.cases import MATRIX, matrix, special, stopped
from benchmarks.scale.equality import compare_cases, compare_resumed
from benchmarks.scale.processes import start
from tests.integration import all_heads, tiny

SPECIAL = ("NaN on one rank", "NaN on one rank, joint", "NaN on one rank, UPGrad", "NaN on one rank, GradNorm")
STOPPED = ("accumulation", "method", "large")


@pytest.fixture(scope="module")
def differences(tmp_path_factory):
    """How two processes differ from one, by case."""
    folder = tmp_path_factory.mktemp("ranks")
    return {each.name: each for each in compare_cases(matrix(folder / "data"), folder / "runs")}


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """Runs of two processes, stopped by a signal to one of them, that 1, 2 and 4 processes continued."""
    return {(each.name, each.count): each for each in compare_resumed(tmp_path_factory.mktemp("resumed"))}


@pytest.mark.parametrize("name", [*MATRIX, *SPECIAL, "global_batch_size"])
def test_two_processes_train_what_one_does(differences, name):
    found = differences[name]
    assert found.problem is None, found
    assert found.steps > 0
    assert found.loss <= 1e-5, found
    assert found.parameter <= 1e-5, found


@pytest.mark.parametrize("name", STOPPED)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_run_that_one_signal_has_stopped_goes_on_with_any_number_of_processes(resumed, name, count):
    found = resumed[f"stopped: {name}", count]
    assert found.problem is None, found
    assert found.loss <= 1e-5, found
    assert found.parameter <= 1e-5, found
    assert found.bits or count != 2


def test_every_case_is_tested(tmp_path, differences):
    names = {case.name for case in (*matrix(tmp_path / "one"), *special(tmp_path / "two"))}
    assert names == differences.keys() == {*MATRIX, *SPECIAL, "global_batch_size"}
    assert [case.name for case in stopped(tmp_path / "three")] == [f"stopped: {name}" for name in STOPPED]


def test_the_trainers_of_the_python_api(tmp_path):
    tiny.write_vocab(tmp_path)
    tiny.classification_task(tmp_path, "t", 25)
    words = ["tests.integration.trainer_ranks", str(tmp_path)]
    started = [start(words, count=count, logs=tmp_path / "logs") for count in (1, 2)]
    for each in started:
        each.wait(120)
    one, first, second = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("1.0", "2.0", "2.1"))
    for how in ("whole", "loop"):
        assert first[how] == second[how]
        assert first[how]["steps"] == one[how]["steps"] == 6
        assert first[how]["losses"] == pytest.approx(one[how]["losses"], abs=1e-4)
        assert first[how]["metrics"] == pytest.approx(one[how]["metrics"], abs=1e-4)
        all_heads.assert_close(
            [each["label"] for each in first[how]["predictions"]], [each["label"] for each in one[how]["predictions"]]
        )
        assert "several processes train on the batches of fit_reader" in first[how]["other"]
        places = [tmp_path / str(count) / how for count in (1, 2)]
        files = [{file.relative_to(place).as_posix() for file in place.rglob("*")} for place in places]
        assert files[0] == files[1]
