"""Adam with decoupled weight decay, global-norm clipping, and slots under the parameters' own names."""

from collections.abc import Iterable, Mapping

from paddle import Tensor, nn

from palm.engine.optim.freezing import layer_of
from palm.engine.optim.fused_adamw import FusedAdamW
from palm.engine.optim.paddle_adamw import PaddleAdamW
from palm.engine.optim.state import SLOTS, ParameterGroup, UpdateRule
from palm.kernels.choice import Wanted, choose_kernels
from palm.schema.settings import TrainSettings


def decays(name: str) -> bool:
    """Whether weight decay applies to the parameter `name`: not to LayerNorm and biases (arXiv:1810.04805, A.2)."""
    return not (name.endswith("bias") or any(part in name for part in (".bias_", "layer_norm", "scalar_mix")))


class Optimizer:
    """One update of every parameter that has a gradient; the others, and their slots, are left as they are.

    Both `adam` and `adamw` decay weights apart from the gradient (arXiv:1711.05101), as PaddlePALM's adam did.

    Args:
        model: Its trainable parameters are updated.
        settings: Weight decay and clipping norm.
        lr_scales: Factor of the learning rate by prefix of the parameter's name, such as `heads.intent.`.
        kernels: What computes the update; slots of either kind restore in the other.
    """

    def __init__(
        self, model: nn.Layer, settings: TrainSettings, lr_scales: Mapping[str, float], *, kernels: Wanted = "auto"
    ) -> None:
        self._model = model
        self._parameters: dict[str, Tensor] = {
            name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient
        }
        group = ParameterGroup(
            parameters=self._parameters,
            decayed=frozenset(name for name in self._parameters if decays(name)),
            scales=_scales_by_name(self._parameters, lr_scales)
            | layer_lr_scales(self._parameters, settings.layer_lr_decay),
            decay=settings.weight_decay,
            max_norm=settings.max_grad_norm,
        )
        fused = choose_kernels(kernels).name == "fused"
        self._rule: UpdateRule = FusedAdamW(group) if fused else PaddleAdamW(group)

    def step(self, learning_rate: float) -> None:
        """Update with the gradients at hand, then forget them (a head without a batch has none and stays put)."""
        self._rule.step(learning_rate, self.gradients())
        self.drop_gradients()

    def gradients(self) -> dict[str, Tensor]:
        """Gradients accumulated so far, by parameter name."""
        return {name: parameter.grad for name, parameter in self._parameters.items() if parameter.grad is not None}

    def drop_gradients(self) -> None:
        """Remove all gradients of the model."""
        # Zeroed instead of removed, gradients would move the heads that have no batch in the next step.
        self._model.clear_gradients(set_to_zero=False)

    def set_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """Replace all gradients by `gradients`, by parameter name; those of what does not train are left out."""
        self.drop_gradients()
        for name, gradient in gradients.items():
            if name in self._parameters:
                self._parameters[name].grad = gradient

    def state(self) -> dict[str, Tensor]:
        """Slots by `<parameter>.<slot>`, for the parameters that ever had an update."""
        return {
            f"{name}.{slot}": tensor for name, slots in self._rule.slots().items() for slot, tensor in slots.items()
        }

    def restore(self, slots: Mapping[str, Tensor]) -> None:
        """Continue from a saved state; parameters without saved slots begin as if they never had an update."""
        self._rule.restore(
            {
                name: {slot: slots[f"{name}.{slot}"] for slot in SLOTS}
                for name in self._parameters
                if f"{name}.{SLOTS[0]}" in slots
            }
        )


def head_lr_scales(scales: Iterable[tuple[str, float]]) -> dict[str, float]:
    """`(head key, lr_scale)` pairs as prefixes of parameter names; the first task of a shared head decides."""
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
