"""What every optimizer is: how one update moves parameters that have a gradient, and what it keeps of each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from palm.registry import Registry
from palm.schema.facts import KeyFacts
from palm.schema.fields import Float, Schema

if TYPE_CHECKING:
    from paddle import Tensor


ADAM_STATE = ("moment1", "moment2", "beta1_power", "beta2_power")
"""What both implementations of Adam keep of each parameter."""


class OptimizerFields(Schema):
    """Keys that every optimizer takes."""

    key_facts = KeyFacts(scope="stage")

    weight_decay: Float = Field(0.0, ge=0, description="Decoupled weight decay; LayerNorm and biases are left out.")
    max_grad_norm: Float = Field(
        1.0, ge=0, description="Gradients are clipped to this global norm; 0 switches clipping off."
    )
    layer_lr_decay: Float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor of the learning rate from each encoder layer to the one below it; the last layer and the "
        "heads have the full rate, the embeddings the lowest. 1 is off.",
    )


class AdamFields(OptimizerFields):
    """Keys of the optimizers `adam` and `adamw`: here, because both implementations of the update read them."""

    # The limits keep float32 powers and quotients apart from 0 and 1.
    adam_beta1: Float = Field(0.9, ge=1e-6, le=1 - 1e-6, description="Adam: decay of the mean of the gradients.")
    adam_beta2: Float = Field(0.999, ge=1e-6, le=1 - 1e-6, description="Adam: decay of the mean of their squares.")
    adam_epsilon: Float = Field(1e-8, ge=1e-12, description="Adam: what is added to the root of that mean.")


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters and how they are updated.

    Attributes:
        parameters: By name.
        decayed: Names that weight decay applies to.
        scales: Factor of the learning rate, by name; 1 for the others.
        kernels: What computes the update, where there is a choice.
    """

    parameters: "Mapping[str, Tensor]"
    decayed: frozenset[str]
    scales: Mapping[str, float]
    kernels: Literal["fused", "plain"] = "plain"


class UpdateRule(ABC):
    """Updates parameters that have gradients. Concrete rules are final; Paddle is imported where one is made.

    Args:
        config: An instance of the class's `Config`.
        group: The parameters.
    """

    Config: ClassVar[type[OptimizerFields]] = OptimizerFields
    clips: ClassVar[bool] = False
    """Whether `step` itself clips the gradients to `max_grad_norm`; otherwise it is given clipped ones."""

    def __init__(self, config: OptimizerFields, group: ParameterGroup) -> None:
        self.config = config
        self.group = group

    @abstractmethod
    def step(self, learning_rate: float, gradients: "Mapping[str, Tensor]") -> None:
        """One update of the parameters in `gradients`, which are at hand as the parameters' `grad`, too."""

    @abstractmethod
    def state(self) -> "dict[str, dict[str, Tensor]]":
        """What the rule keeps of every parameter that had an update, by parameter and a name without dots."""

    @abstractmethod
    def restore(self, state: "Mapping[str, Mapping[str, Tensor]]") -> None:
        """Continue from saved state; the other parameters begin afresh."""


OPTIMIZERS: Registry[type[UpdateRule]] = Registry("optimizer", lower_case=True)
"""By their names for the key `optimizer`, which is read in any case."""
