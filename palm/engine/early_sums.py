"""Sums the gradients of an encoder layer over all ranks as soon as they are there, while lower layers run backward.

It pays where the backend sums in the background (NCCL); gloo does so in the foreground, where it is used for tests
alone. Only for steps of one backward pass that update the model: other gradients are not final before the last pass.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import paddle
from paddle import Tensor

from palm.distributed.ranks import Ranks
from palm.engine.no_grad import without_gradients
from palm.engine.optim.freezing import layer_of


class EarlySums:
    """Follows the backward passes of a model.

    Args:
        model: Its encoder layers are followed.
        ranks: The ranks, which run the same operations in the same order.
    """

    def __init__(self, model: paddle.nn.Layer, ranks: Ranks) -> None:
        self._ranks = ranks
        self._layers: dict[int, dict[str, Tensor]] = {}
        self._waiting: dict[int, int] = {}
        self._sent: list[tuple[dict[str, list[int]], Tensor, Callable[[], object]]] = []
        for name, parameter in model.named_parameters():
            layer = layer_of(name)
            if name.startswith("backbone.") and layer is not None and layer >= 0 and not parameter.stop_gradient:
                self._layers.setdefault(layer, {})[name] = parameter
                hooked: Any = parameter  # the method is Paddle's own for its data parallel classes
                hooked._register_backward_hook(partial(self._arrived, layer))

    def begin(self) -> None:
        """Follow the next backward pass."""
        self._sent = []
        self._waiting = {
            number: sum(not parameter.stop_gradient for parameter in own.values())
            for number, own in self._layers.items()
        }

    @without_gradients
    def finish(self) -> dict[str, Tensor]:
        """Wait for all sums, and return them by parameter name; the gradients of the parameters stay as they are."""
        self._waiting = {}
        done: dict[str, Tensor] = {}
        for shapes, flat, wait in self._sent:
            wait()
            pieces = flat.split([prod(shape) for shape in shapes.values()])
            done |= {name: piece.reshape(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
        self._sent = []
        return done

    def _arrived(self, layer: int, *_: object) -> None:
        if layer not in self._waiting:
            return
        self._waiting[layer] -= 1
        if self._waiting[layer] == 0:
            found = {name: parameter.grad for name, parameter in self._layers[layer].items()}
            self._send({name: gradient for name, gradient in found.items() if gradient is not None})

    @without_gradients
    def _send(self, gradients: dict[str, Tensor]) -> None:
        flat = paddle.concat([gradient.flatten() for gradient in gradients.values()])
        shapes = {name: list(gradient.shape) for name, gradient in gradients.items()}
        self._sent.append((shapes, flat, self._ranks.begin_sum(flat)))
