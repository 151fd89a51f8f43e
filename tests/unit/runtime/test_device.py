"""How many GPUs there are, and how many a run uses."""

from collections import deque

import numpy as np
import paddle
import pytest

from palm.runtime import device


@pytest.mark.parametrize(("seen", "used"), [(0, 0), (1, 1), (8, 1)])
def test_a_run_uses_one_gpu_at_most(monkeypatch, seen, used):
    monkeypatch.setattr(device, "count_gpus", lambda: seen)
    assert device.gpu_dev_count == used


def test_gpus_are_counted_where_paddle_can_use_them(monkeypatch):
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 3)
    assert device.count_gpus() == 3


BATCH = {"token_ids": np.arange(6).reshape(2, 3).T, "input_mask": np.ones((3, 2), "float32")}


def test_batches_become_tensors_of_the_cpu():
    found = device.as_tensors(BATCH)
    assert list(found) == list(BATCH)
    for name, array in BATCH.items():
        assert found[name].place.is_cpu_place()
        assert np.array_equal(found[name].numpy(), array)


def test_batches_go_to_a_gpu_from_page_locked_memory_which_is_kept_meanwhile(monkeypatch):
    class Locked:
        def __init__(self, array, place):
            assert array.flags.c_contiguous
            self.array, self.place = array, place

        def cuda(self, *, blocking):
            assert blocking is False
            return "copy", self.array.tolist(), self.place

    monkeypatch.setattr(paddle.device, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle, "CUDAPinnedPlace", lambda: "locked", raising=False)
    monkeypatch.setattr(paddle, "to_tensor", lambda array, place: Locked(array, place))
    monkeypatch.setattr(device, "_being_copied", deque(maxlen=2))
    found = [device.as_tensors(BATCH) for _ in range(3)][-1]
    assert found == {name: ("copy", array.tolist(), "locked") for name, array in BATCH.items()}
    assert [[type(each) for each in kept] for kept in device._being_copied] == [[Locked, Locked]] * 2


@pytest.mark.parametrize(("named", "count"), [("", 0), ("-1", 0), ("0", 1), ("2,5", 2), ("GPU-3a, GPU-4b", 2)])
def test_possible_gpus_are_those_that_cuda_shows(monkeypatch, named, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert device.possible_gpus() == count


def test_possible_gpus_are_the_devices_of_the_machine(monkeypatch, tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(device, "Path", lambda _: tmp_path)
    assert device.possible_gpus() == 2


def test_paddle_is_asked_for_usable_gpus_in_another_process(monkeypatch):
    """This Paddle is the CPU's: it finds none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert device.usable_gpus() == 0
    monkeypatch.setattr(device, "_COUNT", "print('a line of a driver'); print(2)")
    assert device.usable_gpus() == 2
