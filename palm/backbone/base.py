"""What every backbone is: tokens in, context-dependent vectors out. Paddle is imported only by `build_layers`."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from palm.config.fields import BackboneFields
from palm.registry import Registry
from palm.spec import Specs

if TYPE_CHECKING:
    from paddle import nn


class Backbone(ABC):
    """Describes an encoder and builds it. Concrete backbones are final.

    Args:
        config: An instance of the class's `Config`.
    """

    Config: ClassVar[type[BackboneFields]]

    def __init__(self, config: BackboneFields) -> None:
        self.config = config

    @abstractmethod
    def inputs_attr(self) -> Specs:
        """What `forward` of the layers takes from the reader's batch."""

    @abstractmethod
    def outputs_attr(self) -> Specs:
        """What it gives: `word_embedding`, `encoder_outputs`, `sentence_embedding` and the like."""

    @abstractmethod
    def build_layers(self) -> "nn.Layer":
        """The parameters, freshly drawn; `forward(inputs: dict[str, Tensor], layer: int = -1) -> dict[str, Tensor]`.

        `layer` says which encoder layer's output feeds the head (0 is the first, -1 the last).
        """


BACKBONES: Registry[type[Backbone]] = Registry("backbone")
