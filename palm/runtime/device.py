"""Chooses the device of a run."""

import logging

import paddle

_log = logging.getLogger("palm")
_warned: set[str] = set()


def choose_device(*, use_gpu: bool) -> str:
    """Select the GPU if requested and available, else the CPU; warn once if a requested GPU is not available."""
    if use_gpu and paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0:
        return str(paddle.set_device("gpu"))
    if use_gpu and "gpu" not in _warned:
        _warned.add("gpu")
        _log.warning("No GPU is usable by this Paddle: computing on the CPU. Set use_gpu: false to avoid this warning.")
    return str(paddle.set_device("cpu"))
