"""The interface of backbones: tokens in, contextual vectors out. Only `build_layers` imports Paddle."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from palm.backbone.config_json import read_layer
from palm.backbone.model_type import encoder_type, is_of_type
from palm.errors import ConfigError, Problem
from palm.registry import Registry, component_problem
from palm.schema.fields import BackboneFields
from palm.schema.validate import validate
from palm.schema.values import Resolved
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
    model_types: ClassVar[tuple[str, ...]] = ()
    """Values of `model_type` in a config.json of transformers whose encoders it computes; no two backbones share one.

    Without any, as in a backbone of your own, it is never chosen by a config.json, and reads whatever it is given.
    """
    also_reads: ClassVar[tuple[str, ...]] = ()
    """Types that are another backbone's, and that it computes as well where a configuration names it."""
    known_by: ClassVar[str | None] = None
    """A parameter that only pre-trained weights of this backbone have."""

    def __init__(self, config: BackboneFields) -> None:
        self.config = config

    @classmethod
    def from_config(cls: type[Kind], config: Mapping[str, object] | str | Path, phase: Phase = "train") -> Kind:
        """A backbone with the given config, as in PALM 2.

        Args:
            config: The content of a config.json, its path, or the folder of pre-trained weights that contains it.
            phase: Ignored, accepted for scripts of PALM 2: the caller of the layers switches dropout on and off.

        Raises:
            ConfigError: Every problem of the config.
        """
        del phase
        return cls(cls.read_config(config, owner=f"palm.backbone.{cls.__name__}"))

    @classmethod
    def read_config(cls, config: Mapping[str, object] | str | Path, *, owner: str) -> BackboneFields:
        """The backbone's keys in `config`; other keys are ignored, since published files have many.

        Args:
            config: The content of a config.json, its path, or its folder.
            owner: Name of the caller, for messages.

        Raises:
            ConfigError: Every problem of the config, or an encoder that the backbone does not compute.
        """
        layer, problems, home = read_layer(config, owner)
        written = {key: setting.value for key, setting in layer.items()}
        if not cls.reads(written):
            types = ", ".join((*cls.model_types, *cls.also_reads))
            rule = f"{cls.__name__} computes encoders of these types: {types}."
            problems.append(Problem(home, f"{rule} Found `{encoder_type(written)}`. Use the backbone of that type."))
        values = {key: Resolved(setting) for key, setting in layer.items()}
        found, invalid = validate(cls.Config, values, owner="a backbone", home=home) if not problems else (None, [])
        if found is None:
            raise ConfigError([*problems, *invalid])
        return found

    @classmethod
    def reads(cls, config: Mapping[str, object]) -> bool:
        """Whether it computes an encoder of the type that a config.json names; so it is where none is named."""
        types = (*cls.model_types, *cls.also_reads)
        return not cls.model_types or encoder_type(config) is None or is_of_type(config, types)

    @abstractmethod
    def inputs_attr(self) -> Specs:
        """The inputs that `forward` of the layers takes from the reader's batch."""

    @abstractmethod
    def outputs_attr(self) -> Specs:
        """Its outputs: `word_embedding`, `encoder_outputs`, `sentence_embedding` and others."""

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Name and shape of each parameter, so that weights are compared before memory is taken; empty: not known."""
        return {}

    @abstractmethod
    def build_layers(self) -> "nn.Layer":
        """The initialized layers, with `forward(inputs: dict[str, Tensor], layer: int = -1) -> dict[str, Tensor]`.

        `layer` is the encoder layer whose output feeds the head (0 is the first, -1 the last). A head with the key
        `layers` passes a `ScalarMix` as `mix`; one with `sharing` passes `parts`, whose `outputs` runs the layers. A
        backbone without these arguments works without those keys; copied layers are those of `encoder.layers`.
        """


BACKBONES: Registry[type[Backbone]] = Registry(
    "backbone", lambda component: component_problem(component, Backbone, BackboneFields)
)
