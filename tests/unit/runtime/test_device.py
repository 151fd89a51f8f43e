"""How many GPUs there are, and how many a run uses."""

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
