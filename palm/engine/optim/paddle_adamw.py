"""Paddle's AdamW: for GPUs, and without compiled C kernels."""

from collections.abc import Mapping, Sequence

import paddle
from paddle import Tensor, nn

from palm.engine.optim.base import ADAM_STATE, AdamFields, OwnSettings, ParameterGroup
from palm.engine.optim.clipping import clip

_SUFFIXES = dict(zip(ADAM_STATE, ("_moment1_0", "_moment2_0", "_beta1_pow_acc_0", "_beta2_pow_acc_0"), strict=True))


class PaddleAdamW:
    """The update rule of `palm.engine.optim.adamw`, by `paddle.optimizer.AdamW`: one of them for all equal settings.

    Args:
        config: Decay rates, weight decay and clipping norm.
        group: The parameters, which of them decay, and which have settings of their own.
    """

    def __init__(self, config: AdamFields, group: ParameterGroup) -> None:
        self._config = config
        self._group = group
        for name, scale in group.scales.items():
            group.parameters[name].optimize_attr["learning_rate"] = scale
        by_settings: dict[OwnSettings | None, list[str]] = {}
        for name in group.parameters:
            by_settings.setdefault(group.own.get(name), []).append(name)
        # Each of several sees a part of the gradients, and so cannot clip them.
        self._max_norm = config.max_grad_norm if len(by_settings) > 1 else 0.0
        own_clip = config.max_grad_norm if len(by_settings) == 1 else 0.0
        # Paddle drops the restored state of parameters without an update as soon as another one is updated.
        self._restored: dict[str, Tensor] = {}
        self._optimizers = [
            (names, self._build(settings or config, names, own_clip)) for settings, names in by_settings.items()
        ]

    def _settings(self, name: str) -> AdamFields | OwnSettings:
        return self._group.own.get(name, self._config)

    def _build(
        self, settings: AdamFields | OwnSettings, names: Sequence[str], max_norm: float
    ) -> paddle.optimizer.AdamW:
        parameters = self._group.parameters
        decayed = {parameters[name].name for name in names if name in self._group.decayed}
        return paddle.optimizer.AdamW(
            learning_rate=1.0,  # set for each step
            beta1=settings.adam_beta1,
            beta2=settings.adam_beta2,
            epsilon=settings.adam_epsilon,
            parameters=[parameters[name] for name in names],
            weight_decay=settings.weight_decay,
            apply_decay_param_fun=lambda name: name in decayed,
            grad_clip=nn.ClipGradByGlobalNorm(max_norm) if max_norm else None,
        )

    def step(self, learning_rate: float, gradients: Mapping[str, Tensor]) -> None:
        """Update the parameters with a gradient; Paddle reads the `gradients` from them."""
        if self._max_norm:
            clip(gradients, self._max_norm)
        for names, optimizer in self._optimizers:
            if any(name in gradients for name in names):
                optimizer.set_lr(learning_rate)
                optimizer.step()

    def state(self) -> dict[str, dict[str, Tensor]]:
        """The state of every updated parameter."""
        state = dict(self._restored)
        for _, optimizer in self._optimizers:
            state |= optimizer.state_dict()
        return {
            name: {part: state[parameter.name + suffix] for part, suffix in _SUFFIXES.items()}
            for name, parameter in self._group.parameters.items()
            if self._had_update(name, state.get(parameter.name + _SUFFIXES["beta1_power"]))
        }

    def restore(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from saved state; Paddle needs some for every parameter."""
        self._restored = {}
        for names, optimizer in self._optimizers:
            paddle_state = {}
            for name in names:
                saved, prefix = state.get(name) or self._fresh_state(name), self._group.parameters[name].name
                paddle_state.update({prefix + suffix: saved[part] for part, suffix in _SUFFIXES.items()})
            optimizer.set_state_dict(paddle_state)
            self._restored |= paddle_state

    def _had_update(self, name: str, beta1_power: Tensor | None) -> bool:
        beta1 = self._settings(name).adam_beta1
        return beta1_power is not None and beta1_power.item() != paddle.full([], beta1, "float32").item()

    def _fresh_state(self, name: str) -> dict[str, Tensor]:
        zeros, settings = paddle.zeros_like(self._group.parameters[name]), self._settings(name)
        powers = (paddle.full([1], beta, "float32") for beta in (settings.adam_beta1, settings.adam_beta2))
        return dict(zip(ADAM_STATE, (zeros, zeros.clone(), *powers), strict=True))
