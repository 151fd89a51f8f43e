"""Adam with decoupled weight decay, by the fused kernels or by Paddle."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol, final

from palm.engine.optim.base import OPTIMIZERS, AdamFields, ParameterGroup, UpdateRule

if TYPE_CHECKING:
    from paddle import Tensor


class _Implementation(Protocol):
    def step(self, learning_rate: float, gradients: "Mapping[str, Tensor]") -> None: ...

    def state(self) -> "dict[str, dict[str, Tensor]]": ...

    def restore(self, state: "Mapping[str, Mapping[str, Tensor]]") -> None: ...


@final
@OPTIMIZERS.register("adam")
@OPTIMIZERS.register("adamw")
class AdamW(UpdateRule):
    """Both names decouple weight decay from the gradient (arXiv:1711.05101), as PaddlePALM's adam did.

    A parameter's `ADAM_STATE` exists from its first update on. Each implementation can restore the other's.
    """

    Config: ClassVar[type[AdamFields]] = AdamFields
    clips: ClassVar[bool] = True
    takes_rows: ClassVar[bool] = True
    own_settings: ClassVar[tuple[str, ...]] = ("weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon")

    def __init__(self, config: AdamFields, group: ParameterGroup) -> None:
        super().__init__(config, group)
        self._rule = _implementation(config, group)

    def step(self, learning_rate: float, gradients: "Mapping[str, Tensor]") -> None:
        """One update."""
        self._rule.step(learning_rate, gradients)

    def state(self) -> "dict[str, dict[str, Tensor]]":
        """`ADAM_STATE` of every parameter that had an update."""
        return self._rule.state()

    def restore(self, state: "Mapping[str, Mapping[str, Tensor]]") -> None:
        """Continue from saved state; other parameters start without."""
        self._rule.restore(state)


def _implementation(config: AdamFields, group: ParameterGroup) -> _Implementation:
    if group.kernels == "fused":
        from palm.engine.optim.fused_adamw import FusedAdamW  # noqa: PLC0415 (Paddle; checks go without)

        return FusedAdamW(config, group)
    from palm.engine.optim.paddle_adamw import PaddleAdamW  # noqa: PLC0415 (as above)

    return PaddleAdamW(config, group)
