"""Paddle's AdamW: for GPUs, and without compiled C kernels."""

from collections.abc import Mapping

import paddle
from paddle import Tensor, nn

from palm.engine.optim.base import ADAM_STATE, AdamFields, ParameterGroup

_SUFFIXES = dict(zip(ADAM_STATE, ("_moment1_0", "_moment2_0", "_beta1_pow_acc_0", "_beta2_pow_acc_0"), strict=True))


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
        # Paddle drops the restored state of parameters without an update as soon as another one is updated.
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
        """Update the parameters with a gradient; Paddle reads the `gradients` from them."""
        self._adamw.set_lr(learning_rate)
        self._adamw.step()

    def state(self) -> dict[str, dict[str, Tensor]]:
        """The state of every updated parameter."""
        state = {**self._restored, **self._adamw.state_dict()}
        return {
            name: {part: state[parameter.name + suffix] for part, suffix in _SUFFIXES.items()}
            for name, parameter in self._parameters.items()
            if self._had_update(state.get(parameter.name + _SUFFIXES["beta1_power"]))
        }

    def restore(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from saved state; Paddle needs some for every parameter."""
        paddle_state = {}
        for name, parameter in self._parameters.items():
            saved = state.get(name) or self._fresh_state(parameter)
            paddle_state.update({parameter.name + suffix: saved[part] for part, suffix in _SUFFIXES.items()})
        self._adamw.set_state_dict(paddle_state)
        self._restored = paddle_state

    def _had_update(self, beta1_power: Tensor | None) -> bool:
        return (
            beta1_power is not None and beta1_power.item() != paddle.full([], self._config.adam_beta1, "float32").item()
        )

    def _fresh_state(self, parameter: Tensor) -> dict[str, Tensor]:
        zeros = paddle.zeros_like(parameter)
        betas = (self._config.adam_beta1, self._config.adam_beta2)
        powers = (paddle.full([1], beta, "float32") for beta in betas)
        return dict(zip(ADAM_STATE, (zeros, zeros.clone(), *powers), strict=True))
