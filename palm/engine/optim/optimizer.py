"""The optimizer of a run: one update of a model by a registered rule, with state under the parameters' own names."""

from collections.abc import Iterable, Mapping

import paddle
from paddle import Tensor, nn

from palm.engine.no_grad import without_gradients
from palm.engine.optim.base import OptimizerFields, ParameterGroup, UpdateRule
from palm.engine.optim.freezing import layer_of
from palm.engine.shared_state import shared_state
from palm.kernels.choice import Wanted, choose_kernels


def decays(name: str) -> bool:
    """Whether weight decay applies to the parameter `name`: not to LayerNorm and biases (arXiv:1810.04805, A.2)."""
    return not (name.endswith("bias") or any(part in name for part in (".bias_", "layer_norm", "scalar_mix")))


class Optimizer:
    """One update of every parameter that has a gradient; the others, and their state, are not changed.

    Args:
        model: Its trainable parameters are updated.
        rule: The update rule.
        config: An instance of the rule's `Config`.
        lr_scales: Factor of the learning rate by prefix of the parameter's name, such as `heads.intent.`.
        kernels: Kernels of the update, if there is a choice.
    """

    def __init__(
        self,
        model: nn.Layer,
        rule: type[UpdateRule],
        config: OptimizerFields,
        *,
        lr_scales: Mapping[str, float] | None = None,
        kernels: Wanted = "auto",
    ) -> None:
        self._model = model
        self._max_norm = 0.0 if rule.clips else config.max_grad_norm
        self._parameters: dict[str, Tensor] = {
            name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient
        }
        group = ParameterGroup(
            parameters=self._parameters,
            decayed=frozenset(name for name in self._parameters if decays(name)),
            scales=_scales_by_name(self._parameters, lr_scales or {})
            | layer_lr_scales(self._parameters, config.layer_lr_decay),
            kernels=choose_kernels(kernels).name,
        )
        with shared_state():  # which Paddle's optimizers use
            self._rule = rule(config, group)

    def step(self, learning_rate: float) -> None:
        """Update with the current gradients, then remove them (a head without a batch has none and is not changed)."""
        gradients = self.gradients()
        if self._max_norm:
            _clip(gradients, self._max_norm)
        with shared_state():
            self._rule.step(learning_rate, gradients)
        self.drop_gradients()

    def gradients(self) -> dict[str, Tensor]:
        """Gradients accumulated so far, by parameter name."""
        return {name: parameter.grad for name, parameter in self._parameters.items() if parameter.grad is not None}

    def drop_gradients(self) -> None:
        """Remove all gradients of the model."""
        # Zero gradients, instead of none, would update the heads without a batch in the next step.
        self._model.clear_gradients(set_to_zero=False)

    def set_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """Replace all gradients by `gradients`, by parameter name, without those of frozen parameters."""
        self.drop_gradients()
        for name, gradient in gradients.items():
            if name in self._parameters:
                self._parameters[name].grad = gradient

    def state(self) -> dict[str, Tensor]:
        """The state of the rule, by `<parameter>.<name>`, for the updated parameters."""
        with shared_state():
            state = self._rule.state()
        return {f"{name}.{part}": tensor for name, parts in state.items() for part, tensor in parts.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state; parameters without one start as if never updated."""
        by_parameter: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            parameter, _, part = name.rpartition(".")
            if parameter in self._parameters:
                by_parameter.setdefault(parameter, {})[part] = value
        with shared_state():
            self._rule.restore(by_parameter)


@without_gradients
def _clip(gradients: Mapping[str, Tensor], max_norm: float) -> None:
    """Scale the gradients in place so that their global norm is at most `max_norm` (arXiv:1211.5063)."""
    squares = [gradient.astype("float32").square().sum() for gradient in gradients.values()]
    norm = float(paddle.add_n(squares).sqrt()) if squares else 0.0
    if norm > max_norm:
        for gradient in gradients.values():
            gradient.scale_(max_norm / norm)


def head_lr_scales(scales: Iterable[tuple[str, float]]) -> dict[str, float]:
    """`(head key, lr_scale)` pairs as prefixes of parameter names; the first task of a shared head counts."""
    prefixes: dict[str, float] = {}
    for head, scale in scales:
        prefixes.setdefault(f"heads.{head}.", scale)
    return prefixes


def layer_lr_scales(names: Iterable[str], decay: float) -> dict[str, float]:
    """Factor of the learning rate by parameter name: 1 for the last encoder layer, times `decay` for each below it.

    The embeddings count as the layer below the first. Source: arXiv:1905.05583, section 5.3.4.
    """
    if decay == 1.0:
        return {}
    layers = {name: layer for name in names if (layer := layer_of(name)) is not None}
    top = max(layers.values(), default=-1)
    return {name: decay ** (top - layer) for name, layer in layers.items() if layer < top}


def _scales_by_name(names: Iterable[str], prefixes: Mapping[str, float]) -> dict[str, float]:
    of_heads = [name for name in names if layer_of(name) is None]
    found = {name: [scale for prefix, scale in prefixes.items() if name.startswith(prefix)] for name in of_heads}
    return {name: scales[0] for name, scales in found.items() if scales and scales[0] != 1.0}
