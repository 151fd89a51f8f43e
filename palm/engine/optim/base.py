"""The interface of optimizers: an update of the parameters with a gradient, and the state of each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from palm.registry import Registry
from palm.schema.facts import KeyFacts
from palm.schema.fields import Float, Schema

if TYPE_CHECKING:
    from paddle import Tensor

    from palm.kernels.fused.row_table import EmbeddingRows

ADAM_STATE = ("moment1", "moment2", "beta1_power", "beta2_power")
"""The state of each parameter in both implementations of Adam."""


class OptimizerFields(Schema):
    """Keys of all optimizers."""

    key_facts = KeyFacts(scope="stage")

    weight_decay: Float = Field(0.0, ge=0, description="Decoupled weight decay; not for LayerNorm and biases.")
    max_grad_norm: Float = Field(1.0, ge=0, description="StepGradients are clipped to this global norm; 0 is off.")
    layer_lr_decay: Float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor of the learning rate from each encoder layer to the one below it; the last layer and the "
        "heads have the full rate, the embeddings the lowest. 1 is off.",
    )


class AdamFields(OptimizerFields):
    """Keys of the optimizers `adam` and `adamw`: here, because both implementations of the update read them."""

    # The limits keep float32 powers and quotients away from 0 and 1.
    adam_beta1: Float = Field(0.9, ge=1e-6, le=1 - 1e-6, description="Adam: decay of the mean of the gradients.")
    adam_beta2: Float = Field(0.999, ge=1e-6, le=1 - 1e-6, description="Adam: decay of the mean of their squares.")
    adam_epsilon: Float = Field(1e-8, ge=1e-12, description="Adam: constant added to the root of that mean.")


@dataclass(frozen=True)
class OwnSettings:
    """Settings of the updates of some parameters, in place of those of the rule's `Config` with the same names."""

    weight_decay: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with the settings of their updates.

    Attributes:
        parameters: By name.
        decayed: Names that weight decay applies to.
        scales: Factor of the learning rate, by name; default 1.
        kernels: Kernels of the update, if there is a choice.
        tables: Those of the parameters whose gradients may be rows, by name; only for rules that take them.
        own: The settings of parameters that do not have those of the rule's `Config`, by name.
    """

    parameters: "Mapping[str, Tensor]"
    decayed: frozenset[str]
    scales: Mapping[str, float]
    kernels: Literal["fused", "plain"] = "plain"
    tables: "Mapping[str, EmbeddingRows]" = field(default_factory=dict)
    own: Mapping[str, OwnSettings] = field(default_factory=dict)

    def weight_decay(self, name: str, usual: float) -> float:
        """Weight decay of the parameter `name`: its own, or else the `usual` one; 0 if it does not decay."""
        own = self.own.get(name)
        return 0.0 if name not in self.decayed else usual if own is None else own.weight_decay


class UpdateRule(ABC):
    """Updates parameters with gradients. Concrete rules are final; Paddle is imported on creation.

    Args:
        config: An instance of the class's `Config`.
        group: The parameters.
    """

    Config: ClassVar[type[OptimizerFields]] = OptimizerFields
    clips: ClassVar[bool] = False
    """Whether `step` clips the gradients to `max_grad_norm`; otherwise it receives clipped ones."""
    takes_rows: ClassVar[bool] = False
    """Whether `step`, with the fused kernels, takes `palm.engine.optim.gradients.StepGradients` with rows of tables."""
    own_settings: ClassVar[tuple[str, ...]] = ()
    """The fields of `OwnSettings` that `step` takes from `ParameterGroup.own`; others are refused in configurations."""

    def __init__(self, config: OptimizerFields, group: ParameterGroup) -> None:
        self.config = config
        self.group = group

    @abstractmethod
    def step(self, learning_rate: float, gradients: "Mapping[str, Tensor]") -> None:
        """Update the parameters in `gradients`, which are also available as their `grad`."""

    @abstractmethod
    def state(self) -> "dict[str, dict[str, Tensor]]":
        """The state of every updated parameter, by parameter and a name without dots."""

    @abstractmethod
    def restore(self, state: "Mapping[str, Mapping[str, Tensor]]") -> None:
        """Continue from saved state; other parameters start without."""


OPTIMIZERS: Registry[type[UpdateRule]] = Registry("optimizer", lower_case=True)
"""By name, for the key `optimizer`, which is case-insensitive."""
