"""Adam with decoupled weight decay, by the fused kernels or by Paddle."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol, final

from pydantic import Field

from palm.engine.optim.base import OPTIMIZERS, OptimizerFields, ParameterGroup, UpdateRule
from palm.schema.fields import Float

if TYPE_CHECKING:
    from paddle import Tensor

STATE = ("moment1", "moment2", "beta1_power", "beta2_power")


class AdamFields(OptimizerFields):
    """Keys of the optimizers `adam` and `adamw`."""

    # The limits keep float32 powers and quotients apart from 0 and 1.
    adam_beta1: Float = Field(0.9, ge=1e-6, le=1 - 1e-6, description="Adam: decay of the mean of the gradients.")
    adam_beta2: Float = Field(0.999, ge=1e-6, le=1 - 1e-6, description="Adam: decay of the mean of their squares.")
    adam_epsilon: Float = Field(1e-8, ge=1e-12, description="Adam: what is added to the root of that mean.")


class _Implementation(Protocol):
    def step(self, learning_rate: float, gradients: "Mapping[str, Tensor]") -> None: ...

    def state(self) -> "dict[str, dict[str, Tensor]]": ...

    def restore(self, state: "Mapping[str, Mapping[str, Tensor]]") -> None: ...


@final
@OPTIMIZERS.register("adam")
@OPTIMIZERS.register("adamw")
class AdamW(UpdateRule):
    """Both names decay weights apart from the gradient (arXiv:1711.05101), as PaddlePALM's adam did.

    A parameter's `STATE` exists from its first update on. That of either implementation restores in the other.
    """

    Config: ClassVar[type[AdamFields]] = AdamFields
    clips: ClassVar[bool] = True

    def __init__(self, config: AdamFields, group: ParameterGroup) -> None:
        super().__init__(config, group)
        self._rule = _implementation(config, group)

    def step(self, learning_rate: float, gradients: "Mapping[str, Tensor]") -> None:
        """One update."""
        self._rule.step(learning_rate, gradients)

    def state(self) -> "dict[str, dict[str, Tensor]]":
        """`STATE` of every parameter that had an update."""
        return self._rule.state()

    def restore(self, state: "Mapping[str, Mapping[str, Tensor]]") -> None:
        """Continue from saved state; the other parameters begin afresh."""
        self._rule.restore(state)


def _implementation(config: AdamFields, group: ParameterGroup) -> _Implementation:
    if group.kernels == "fused":
        from palm.engine.optim.fused_adamw import FusedAdamW  # noqa: PLC0415 (Paddle; checks go without)

        return FusedAdamW(config, group)
    from palm.engine.optim.paddle_adamw import PaddleAdamW  # noqa: PLC0415 (as above)

    return PaddleAdamW(config, group)
