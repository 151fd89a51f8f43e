"""The interface of backbones: tokens in, contextual vectors out. Only `build_layers` imports Paddle."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from palm.backbone.config_json import read_layer
from palm.backbone.model_type import (
    ARCHITECTURES,
    MODEL_TYPE,
    PALM_BACKBONE,
    encoder_type,
    is_of_type,
    type_key,
)
from palm.backbone.other_settings import ENCODER_SETTINGS, Settings, unsupported_settings
from palm.backbone.transformers_form import TransformersForm
from palm.errors import ConfigError, Problem
from palm.registry import Registry, component_problem
from palm.schema.fields import BackboneFields
from palm.schema.validate import validate
from palm.schema.values import Layer, Resolved
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
    settings: ClassVar[Settings] = ENCODER_SETTINGS
    """Settings of a config.json with the values that it computes with; others are refused."""
    transformers: ClassVar[TransformersForm | None] = None
    """Its form in transformers; None if `palm convert` cannot write it for that library."""
    known_by: ClassVar[str | None] = None
    """A parameter that only pre-trained weights of this backbone have."""
    takes_prefix: ClassVar[bool] = False
    """Whether its layers attend to `Rows.prefix`, the vectors of a prompt before the keys and values of each layer."""

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
        layer = cls.own_layer(layer)
        written = {key: setting.value for key, setting in layer.items()}
        if not cls.reads(written):
            types = ", ".join((*cls.model_types, *cls.also_reads))
            rule = f"{cls.__name__} computes encoders of these types: {types}."
            problems.append(Problem(home, f"{rule} Found `{encoder_type(written)}`. Use the backbone of that type."))
        problems += cls.setting_problems(layer)
        values = {key: Resolved(setting) for key, setting in layer.items()}
        found, invalid = validate(cls.Config, values, owner="a backbone", home=home) if not problems else (None, [])
        if found is None:
            raise ConfigError([*problems, *invalid])
        return found

    @classmethod
    def own_keys(cls, config: Mapping[str, object]) -> Mapping[str, object]:
        """The keys that a config.json of transformers spells or counts otherwise, with this backbone's values."""
        return {}

    @classmethod
    def their_keys(cls, config: BackboneFields) -> Mapping[str, object]:
        """The keys of transformers' config.json that differ from this backbone's; None: a key that it lacks.

        Raises:
            CheckpointError: A value that its code does not read.
        """
        return {}

    @classmethod
    def own_layer(cls, layer: Layer) -> Layer:
        """The keys of a config.json under this backbone's names, unless PALM or a user wrote them so."""
        if type_key({key: setting.value for key, setting in layer.items()}) not in (MODEL_TYPE, ARCHITECTURES):
            return layer
        found = cls.own_keys({key: setting.value for key, setting in layer.items()})
        first = next(iter(layer.values()))
        return {**layer, **{key: replace(layer.get(key, first), key=key, value=found[key]) for key in found}}

    @classmethod
    def first_position(cls, config: Mapping[str, object]) -> int:
        """The first row of the position table that a token uses, in an encoder of transformers; 0 in PALM."""
        return 0

    @property
    def layers_share_parameters(self) -> bool:
        """Whether one layer computes several depths, so that none of these can be frozen or replaced alone."""
        return False

    @classmethod
    def setting_problems(cls, layer: Layer) -> list[Problem]:
        """The settings of a config.json with which an encoder computes something else."""
        if not cls.model_types:  # one of a user's own, which knows its files
            return []
        config = {key: setting.value for key, setting in layer.items()}
        return [Problem(layer[key].where, why) for key, why in unsupported_settings(config, cls.settings)]

    @classmethod
    def reads(cls, config: Mapping[str, object]) -> bool:
        """Whether it computes an encoder of the type that a config.json names; so it is where none is named."""
        types = (*cls.model_types, *cls.also_reads)
        written = config.get(PALM_BACKBONE)
        if written is not None and str(written) in BACKBONES and BACKBONES[str(written)] is cls:
            return True
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
