"""Chooses the device of a run, copies batches to it, and counts devices, as PALM 2's `palm.distribute` does."""

import logging
import os
import subprocess  # nosec B404
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palm.runtime.environment import prepare_runtime
from palm.runtime.paddle_import import import_paddle

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from paddle import Tensor

_log = logging.getLogger("palm")
_warned: set[str] = set()
# Page-locked memory is free for other batches as soon as nothing refers to it, even if a GPU still copies it. A step
# waits for the GPU once, so what more than 16 batches ago was copied has arrived.
_being_copied: deque[list["Tensor"]] = deque(maxlen=16)

gpu_dev_count: int
"""GPUs that one run uses: 1 where Paddle sees any, else 0. Scripts that divide by it get what a step trains on."""

cpu_dev_count = 1
"""Processes that one run uses on a CPU, whatever their threads."""

__all__ = [
    "as_tensors",
    "choose_device",
    "count_gpus",
    "cpu_dev_count",
    "gpu_dev_count",
    "possible_gpus",
    "usable_gpus",
]

_COUNT = "from palm.runtime.device import gpus_here; print(gpus_here())"


def choose_device(*, use_gpu: bool) -> str:
    """Select the GPU if requested and available, else the CPU; warn once if a requested GPU is not available."""
    import paddle  # noqa: PLC0415 (scripts ask for gpu_dev_count before Paddle is set up)

    if use_gpu and count_gpus() > 0:
        return str(paddle.set_device("gpu"))
    if use_gpu and "gpu" not in _warned:
        _warned.add("gpu")
        _log.warning("No GPU is usable by this Paddle: computing on the CPU. Set use_gpu: false to avoid this warning.")
    return str(paddle.set_device("cpu"))


def as_tensors(batch: "Mapping[str, NDArray[np.generic]]") -> "dict[str, Tensor]":
    """The arrays of a batch on the device: to a GPU from page-locked memory, while the program goes on."""
    import paddle  # noqa: PLC0415 (as above)

    arrays = {name: np.ascontiguousarray(array) for name, array in batch.items()}
    if not paddle.device.get_device().startswith("gpu"):
        return {name: paddle.to_tensor(array) for name, array in arrays.items()}
    locked = {name: paddle.to_tensor(array, place=paddle.CUDAPinnedPlace()) for name, array in arrays.items()}
    _being_copied.append(list(locked.values()))
    return {name: tensor.cuda(blocking=False) for name, tensor in locked.items()}


def count_gpus() -> int:
    """GPUs that this Paddle can use."""
    import paddle  # noqa: PLC0415 (as above)

    return int(paddle.device.cuda.device_count()) if paddle.is_compiled_with_cuda() else 0


def gpus_here() -> int:
    """GPUs that this Paddle can use, where it is not imported yet."""
    prepare_runtime()
    import_paddle()
    return count_gpus()


def possible_gpus() -> int:
    """GPUs that there may be, without asking Paddle: those in CUDA_VISIBLE_DEVICES, or the devices of this machine."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len([name for name in named.split(",") if name.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def usable_gpus() -> int:
    """GPUs that Paddle can use; it is asked in a process of its own, and only where there may be any."""
    if possible_gpus() == 0:
        return 0
    command = [sys.executable, "-c", _COUNT]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # nosec B603
    last = done.stdout.split()[-1:]
    return int(last[0]) if last and last[0].isdecimal() else 0


def __getattr__(name: str) -> int:
    """Look for a GPU when `gpu_dev_count` is first asked for (PEP 562)."""
    if name != "gpu_dev_count":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return min(gpus_here(), 1)
