"""AdamW as Paddle computes it: for GPUs, and where the C kernels were not built."""

from collections.abc import Mapping

import paddle
from paddle import Tensor, nn

from palm.engine.optim.adamw import SLOTS, AdamFields
from palm.engine.optim.base import ParameterGroup

_SUFFIXES = dict(zip(SLOTS, ("_moment1_0", "_moment2_0", "_beta1_pow_acc_0", "_beta2_pow_acc_0"), strict=True))


class PaddleAdamW:
    """The update rule of `palm.engine.optim.adamw`, by `paddle.optimizer.AdamW`.

    Args:
        config: Decay rates, weight decay and clipping norm.
        group: The parameters, and which of them decay.
    """

    def __init__(self, config: AdamFields, group: ParameterGroup) -> None:
        self._config = config
        self._parameters = group.parameters
        for name, scale in group.scales.items():
            group.parameters[name].optimize_attr["learning_rate"] = scale
        decayed = {group.parameters[name].name for name in group.decayed}
        # Paddle forgets restored slots of parameters without an update as soon as another parameter has one.
        self._restored: dict[str, Tensor] = {}
        self._adamw = paddle.optimizer.AdamW(
            learning_rate=1.0,  # set for each step
            beta1=config.adam_beta1,
            beta2=config.adam_beta2,
            epsilon=config.adam_epsilon,
            parameters=list(group.parameters.values()),
            weight_decay=config.weight_decay,
            apply_decay_param_fun=lambda name: name in decayed,
            grad_clip=nn.ClipGradByGlobalNorm(config.max_grad_norm) if config.max_grad_norm else None,
        )

    def step(self, learning_rate: float, gradients: Mapping[str, Tensor]) -> None:
        """Update the parameters that have a gradient; Paddle finds the `gradients` on them by itself."""
        self._adamw.set_lr(learning_rate)
        self._adamw.step()

    def slots(self) -> dict[str, dict[str, Tensor]]:
        """Slots of every parameter that had an update."""
        slots = {**self._restored, **self._adamw.state_dict()}
        return {
            name: {slot: slots[parameter.name + suffix] for slot, suffix in _SUFFIXES.items()}
            for name, parameter in self._parameters.items()
            if self._had_update(slots.get(parameter.name + _SUFFIXES["beta1_power"]))
        }

    def restore(self, slots: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from saved slots; Paddle wants some for every parameter."""
        paddle_slots = {}
        for name, parameter in self._parameters.items():
            saved = slots.get(name) or self._fresh_slots(parameter)
            paddle_slots.update({parameter.name + suffix: saved[slot] for slot, suffix in _SUFFIXES.items()})
        self._adamw.set_state_dict(paddle_slots)
        self._restored = paddle_slots

    def _had_update(self, beta1_power: Tensor | None) -> bool:
        return (
            beta1_power is not None and beta1_power.item() != paddle.full([], self._config.adam_beta1, "float32").item()
        )

    def _fresh_slots(self, parameter: Tensor) -> dict[str, Tensor]:
        zeros = paddle.zeros_like(parameter)
        betas = (self._config.adam_beta1, self._config.adam_beta2)
        powers = (paddle.full([1], beta, "float32") for beta in betas)
        return dict(zip(SLOTS, (zeros, zeros.clone(), *powers), strict=True))
