"""Adam with decoupled weight decay, global-norm clipping, and slots under the parameters' own names."""

from collections.abc import Iterable, Mapping

import paddle
from paddle import Tensor, nn

from palm.config.schema import TrainSettings

_SLOTS = {
    "moment1": "_moment1_0",
    "moment2": "_moment2_0",
    "beta1_power": "_beta1_pow_acc_0",
    "beta2_power": "_beta2_pow_acc_0",
}
_BETA1, _BETA2 = 0.9, 0.999


def decays(name: str) -> bool:
    """Whether weight decay applies to the parameter `name`: not to LayerNorm and biases (arXiv:1810.04805, A.2)."""
    return not (name.endswith("bias") or "layer_norm" in name)


class Optimizer:
    """One update of every parameter that has a gradient; the others, and their slots, are left as they are.

    Both `adam` and `adamw` decay weights apart from the gradient (arXiv:1711.05101), as PaddlePALM's adam did.

    Args:
        model: Its trainable parameters are updated.
        settings: Weight decay and clipping norm.
        lr_scales: Factor of the learning rate by prefix of the parameter's name, such as `heads.intent.`.
    """

    def __init__(self, model: nn.Layer, settings: TrainSettings, lr_scales: Mapping[str, float]) -> None:
        self._parameters: dict[str, Tensor] = {
            name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient
        }
        for name, parameter in self._parameters.items():
            scales = [scale for prefix, scale in lr_scales.items() if name.startswith(prefix)]
            if scales and scales[0] != 1.0:
                parameter.optimize_attr["learning_rate"] = scales[0]
        # Paddle forgets restored slots of parameters without an update as soon as another parameter has one.
        self._restored: dict[str, Tensor] = {}
        decayed = {parameter.name for name, parameter in self._parameters.items() if decays(name)}
        self._adamw = paddle.optimizer.AdamW(
            learning_rate=settings.learning_rate,
            beta1=_BETA1,
            beta2=_BETA2,
            epsilon=1e-8,
            parameters=list(self._parameters.values()),
            weight_decay=settings.weight_decay,
            apply_decay_param_fun=lambda name: name in decayed,
            grad_clip=nn.ClipGradByGlobalNorm(settings.max_grad_norm) if settings.max_grad_norm else None,
        )

    def step(self, learning_rate: float) -> None:
        """Update with the gradients at hand, then forget them (a head without a batch has none and stays put)."""
        self._adamw.set_lr(learning_rate)
        self._adamw.step()
        self._adamw.clear_grad(set_to_zero=False)

    def gradients(self) -> dict[str, Tensor]:
        """Gradients accumulated so far, by parameter name."""
        return {name: parameter.grad for name, parameter in self._parameters.items() if parameter.grad is not None}

    def restore_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """Continue an accumulation that a checkpoint interrupted."""
        for name, gradient in gradients.items():
            self._parameters[name].grad = gradient

    def state(self) -> dict[str, Tensor]:
        """Slots by `<parameter>.<slot>`, for the parameters that ever had an update."""
        slots = {**self._restored, **self._adamw.state_dict()}
        return {
            f"{name}.{slot}": slots[parameter.name + suffix]
            for name, parameter in self._parameters.items()
            if _had_update(slots.get(parameter.name + _SLOTS["beta1_power"]))
            for slot, suffix in _SLOTS.items()
        }

    def restore(self, slots: Mapping[str, Tensor]) -> None:
        """Continue from a saved state; parameters without saved slots begin as if they never had an update."""
        paddle_slots = {}
        for name, parameter in self._parameters.items():
            for slot, suffix in _SLOTS.items():
                saved = slots.get(f"{name}.{slot}")
                paddle_slots[parameter.name + suffix] = _fresh_slot(slot, parameter) if saved is None else saved
        self._adamw.set_state_dict(paddle_slots)
        self._restored = paddle_slots


def _had_update(beta1_power: Tensor | None) -> bool:
    return beta1_power is not None and beta1_power.item() != paddle.full([], _BETA1, "float32").item()


def _fresh_slot(slot: str, parameter: Tensor) -> Tensor:
    if slot.startswith("moment"):
        return paddle.zeros_like(parameter)
    return paddle.full([1], _BETA1 if slot == "beta1_power" else _BETA2, "float32")


def head_lr_scales(scales: Iterable[tuple[str, float]]) -> dict[str, float]:
    """`(head key, lr_scale)` pairs as prefixes of parameter names; the first task of a shared head decides."""
    prefixes: dict[str, float] = {}
    for head, scale in scales:
        prefixes.setdefault(f"heads.{head}.", scale)
    return prefixes
