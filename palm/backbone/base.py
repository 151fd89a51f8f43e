"""What every backbone is: tokens in, context-dependent vectors out. Paddle is imported only by `build_layers`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from palm.backbone.config_json import read_backbone_config
from palm.registry import Registry
from palm.schema.fields import BackboneFields
from palm.spec import Phase, Specs

if TYPE_CHECKING:
    from paddle import nn

Kind = TypeVar("Kind", bound="Backbone")


class Backbone(ABC):
    """Describes an encoder and builds it. Concrete backbones are final.

    Args:
        config: An instance of the class's `Config`.
    """

    Config: ClassVar[type[BackboneFields]]
    known_by: ClassVar[str | None] = None
    """A parameter that pre-trained weights of no other backbone have."""

    def __init__(self, config: BackboneFields) -> None:
        self.config = config

    @classmethod
    def from_config(cls: type[Kind], config: Mapping[str, object] | str | Path, phase: Phase = "train") -> Kind:
        """A backbone of the sizes in `config`, as PALM 2 makes it.

        Args:
            config: The content of a config.json, the file, or the folder of pre-trained weights that it lies in.
            phase: Accepted for scripts of PALM 2; whether dropout is on is up to whoever runs the backbone.

        Raises:
            ConfigError: Everything that is wrong with the sizes.
        """
        del phase
        return cls(read_backbone_config(cls.Config, config, owner=f"palm.backbone.{cls.__name__}"))

    @abstractmethod
    def inputs_attr(self) -> Specs:
        """What `forward` of the layers takes from the reader's batch."""

    @abstractmethod
    def outputs_attr(self) -> Specs:
        """What it gives: `word_embedding`, `encoder_outputs`, `sentence_embedding` and the like."""

    @abstractmethod
    def build_layers(self) -> "nn.Layer":
        """The parameters, freshly drawn; `forward(inputs: dict[str, Tensor], layer: int = -1) -> dict[str, Tensor]`.

        `layer` says which encoder layer's output feeds the head (0 is the first, -1 the last). A head with the key
        `layers` has a `ScalarMix`, given as `mix`; one with `sharing` has `parts`, whose `outputs` runs the layers. A
        backbone that does not take them works without those keys; copies of layers are those of `encoder.layers`.
        """


BACKBONES: Registry[type[Backbone]] = Registry("backbone")
