"""Which device a run computes on."""

import logging

import paddle

_log = logging.getLogger("palm")
_warned: set[str] = set()


def choose_device(*, use_gpu: bool) -> str:
    """Use the GPU where one is wanted and there, else the CPU; say once where a wanted GPU is not there.

    The GPU path is not run on a GPU here.
    """
    if use_gpu and paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0:
        return str(paddle.set_device("gpu"))
    if use_gpu and "gpu" not in _warned:
        _warned.add("gpu")
        _log.warning("No GPU that this Paddle can use: computing on the CPU. Set use_gpu: false to say so yourself.")
    return str(paddle.set_device("cpu"))
