"""What ranks agree on around a run."""

import signal

import pytest

import palm
from palm.distributed.ranks import ONE, Ranks
from palm.errors import CheckpointError, TrainingError
from palm.kernels.fused.built import sources_digest
from palm.kernels.fused.library import loaded_sources
from palm.training.equal_ranks import agreed_signal, check_equal, check_same_checkpoint, run_folder_locked
from tests.integration import tiny


class Told(Ranks):
    """This rank, and others whose values are made of its own."""

    def __init__(self, *others):
        super().__init__(0, 1 + len(others))
        self._others = others

    def gather_values(self, value):
        return [value, *(other(value) for other in self._others)]


def run_with(tmp_path, ranks):
    config = tiny.config(tmp_path, {"water": tiny.classification_task(tmp_path, "water")})
    run = palm.Controller(config, overrides=[])._training_run()
    object.__setattr__(run, "ranks", ranks)
    return run


def test_equal_ranks_train(tmp_path):
    check_equal(run_with(tmp_path, Told(dict, dict)))
    check_equal(run_with(tmp_path, ONE))


@pytest.mark.parametrize("what", ["the kernels in C", "the initial weights", "the training data", "the settings"])
def test_a_rank_with_something_else_is_named(tmp_path, what):
    def other(value):
        [key] = [key for key in value if key.startswith(what)]
        return {**value, key: "another"}

    with pytest.raises(TrainingError, match=rf"Found: {what}.* of rank 2 differ from those of rank 0\. Give all"):
        check_equal(run_with(tmp_path, Told(dict, other)))


def test_the_kernels_are_those_that_compute(tmp_path):
    told = []
    check_equal(run_with(tmp_path, Told(lambda value: told.append(value) or value)))
    [kernels] = [value for key, value in told[0].items() if key.startswith("the kernels")]
    assert kernels == loaded_sources()
    assert kernels in (sources_digest(), "unknown", "none")


def test_batches_for_another_number_of_processes_are_a_difference(tmp_path):
    run = run_with(tmp_path, ONE)
    told = []
    object.__setattr__(run, "ranks", Told(lambda value: told.append(value) or value))
    check_equal(run)
    run.progress.processes = 3
    check_equal(run)
    assert told[0] != told[1]


def test_the_signal_of_any_rank_is_that_of_all():
    assert agreed_signal(ONE, None) is None
    assert agreed_signal(ONE, signal.SIGINT) == signal.SIGINT
    assert agreed_signal(Told(lambda _: 15), None) == signal.SIGTERM


def test_another_run_in_the_folder_is_refused(tmp_path):
    refused = pytest.raises(CheckpointError, match="another run is training in this folder")
    with run_folder_locked(tmp_path), refused, run_folder_locked(tmp_path):
        pass
    with run_folder_locked(tmp_path):
        pass


def test_a_checkpoint_of_another_machine_is_refused(tmp_path):
    folder = tmp_path / "step_3"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    check_same_checkpoint(ONE, folder)
    check_same_checkpoint(Told(str), folder)
    for other in (lambda _: None, lambda _: "another"):
        with pytest.raises(CheckpointError, match="step_3: all machines of a run see the same save_path"):
            check_same_checkpoint(Told(other), folder)
