"""Clipping of gradients to a global norm."""

from collections.abc import Mapping

import paddle
from paddle import Tensor

from palm.engine.no_grad import without_gradients


@without_gradients
def clip(gradients: Mapping[str, Tensor], max_norm: float) -> None:
    """Scale the gradients in place so that their global norm is at most `max_norm` (arXiv:1211.5063)."""
    if not gradients:
        return
    norm = squared_norm(gradients).sqrt()
    if on_gpu(gradients):
        clip_unread(gradients, norm, max_norm)
    elif (found := float(norm)) > max_norm:
        for gradient in gradients.values():
            gradient.scale_(max_norm / found)


def clip_unread(gradients: Mapping[str, Tensor], norm: Tensor, max_norm: float) -> None:
    """Scale the gradients of norm `norm` in place, without reading it: a program that reads it waits for the GPU."""
    factor = paddle.clip(max_norm / norm, max=1.0)
    for gradient in gradients.values():
        gradient.multiply_(factor.astype(gradient.dtype))


def squared_norm(gradients: Mapping[str, Tensor]) -> Tensor:
    """The sum of the squares of all gradients: float32[]."""
    squares = [gradient.astype("float32").square().sum() for gradient in gradients.values()]
    return paddle.add_n(squares)


def on_gpu(gradients: Mapping[str, Tensor]) -> bool:
    """Whether any of them is on a GPU."""
    return any(gradient.place.is_gpu_place() for gradient in gradients.values())
