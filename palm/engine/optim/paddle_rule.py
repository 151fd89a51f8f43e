"""Optimizers of Paddle, or a user's own with its interface, as components."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from palm.engine.optim.base import OptimizerFields, ParameterGroup, UpdateRule

if TYPE_CHECKING:
    import paddle
    from paddle import Tensor


class PaddleUpdateRule(UpdateRule):
    """Updates with a `paddle.optimizer.Optimizer` that concrete rules create in `build`.

    Each parameter has its own optimizer: Paddle's drops restored state at the first update of any parameter,
    and a head may have no batch for a long time. PALM handles clipping and rates.
    """

    own_settings: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def __init__(self, config: OptimizerFields, group: ParameterGroup) -> None:
        super().__init__(config, group)
        self._optimizers: dict[str, paddle.optimizer.Optimizer] = {}
        # Paddle's `state_dict` contains restored state only after the next update.
        self._restored: dict[str, dict[str, Tensor]] = {}

    @abstractmethod
    def build(self, parameter: "Tensor", weight_decay: float) -> "paddle.optimizer.Optimizer":
        """The optimizer of one parameter, with any learning rate and no `grad_clip`.

        Args:
            parameter: Its only parameter.
            weight_decay: 0 for parameters without decay.
        """

    def step(self, learning_rate: float, gradients: "Mapping[str, Tensor]") -> None:
        """One update."""
        for name in gradients:
            optimizer = self._optimizer(name)
            optimizer.set_lr(learning_rate * self.group.scales.get(name, 1.0))
            optimizer.step()
            self._restored.pop(name, None)

    def state(self) -> "dict[str, dict[str, Tensor]]":
        """Paddle's `state_dict` of every updated parameter."""
        return {name: self._restored.get(name) or self._state_of(name) for name in self._optimizers}

    def restore(self, state: "Mapping[str, Mapping[str, Tensor]]") -> None:
        """Continue from saved state; other parameters start without."""
        self._optimizers, self._restored = {}, {name: dict(saved) for name, saved in state.items()}
        for name, saved in state.items():
            prefix = f"{self.group.parameters[name].name}_"
            self._optimizer(name).set_state_dict({f"{prefix}{part}": value for part, value in saved.items()})

    def _optimizer(self, name: str) -> "paddle.optimizer.Optimizer":
        if name not in self._optimizers:
            decay = self.group.weight_decay(name, self.config.weight_decay)
            self._optimizers[name] = self.build(self.group.parameters[name], decay)
        return self._optimizers[name]

    def _state_of(self, name: str) -> "dict[str, Tensor]":
        prefix = f"{self.group.parameters[name].name}_"
        state = self._optimizers[name].state_dict()
        return {part.removeprefix(prefix): value for part, value in state.items() if part.startswith(prefix)}
