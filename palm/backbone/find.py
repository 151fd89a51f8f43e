"""Finds the backbone that reads an encoder, by the config.json beside its weights."""

from collections.abc import Iterator, Mapping

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.model_type import PALM_BACKBONE, encoder_type, is_of_type, type_key
from palm.errors import ConfigError, Problem
from palm.schema.validate import shown
from palm.schema.values import Layer


def backbone_of(config: Mapping[str, object], *, where: str = "config.json") -> str | None:
    """The registered name of the backbone that reads the encoder with this config.json.

    Args:
        config: The content of a config.json of transformers, or of PALM.
        where: The file, and where known the line, for messages.

    Returns:
        None if it does not say what it is, such as the files of the first BERT and ERNIE.

    Raises:
        ConfigError: An encoder that no registered backbone reads, by name.
    """
    key = type_key(config)
    if key is None:
        return None
    if key == PALM_BACKBONE and config[key] in list(BACKBONES):
        return str(config[key])
    found = next((name for name in BACKBONES if is_of_type(config, BACKBONES[name].model_types)), None)
    if found is None:
        rule = f"PALM reads encoders of these types: {supported_types()}."
        raise ConfigError(
            Problem(where, f"{rule} Found {key} {shown(config[key])}. Use an encoder of one of these types.")
        )
    return found


def found_backbone(layer: Layer) -> type[Backbone] | None:
    """The backbone of a config.json's keys; None if it does not say what it is.

    Raises:
        ConfigError: An encoder that no registered backbone reads, with file and line.
    """
    config = {key: setting.value for key, setting in layer.items()}
    key = type_key(config)
    name = None if key is None else backbone_of(config, where=layer[key].where)
    return None if name is None else BACKBONES[name]


def type_problems(chosen: type[Backbone], config: Mapping[str, object], *, where: str) -> Iterator[Problem]:
    """Why the backbone `chosen` cannot compute the encoder with this config.json.

    Args:
        chosen: The backbone; one without `model_types`, such as one of a user's own, reads any file.
        config: The content of a config.json.
        where: The file, and where known the line, for messages.
    """
    if chosen.reads(config):
        return
    try:
        name = backbone_of(config, where=where)
    except ConfigError as error:
        yield from error.problems
        return
    rule = "the backbone is that of the weights."
    found = f"Found `{registered_name(chosen)}` over an encoder of type `{encoder_type(config)}`"
    yield Problem(where, f"{rule} {found}. Write `backbone: {name}`, or leave the key out: the file then decides.")


def config_problems(chosen: type[Backbone], layer: Layer) -> list[Problem]:
    """Why the backbone `chosen` cannot compute the encoder that a config.json describes, with file and line."""
    config = {key: setting.value for key, setting in layer.items()}
    key = type_key(config)
    problems = [] if key is None else list(type_problems(chosen, config, where=layer[key].where))
    return problems or chosen.setting_problems(layer)


def supported_types() -> str:
    """The types of encoders that are read, with the backbone of those of another name, for messages."""
    types = [(each, name) for name in BACKBONES for each in BACKBONES[name].model_types]
    return ", ".join(each if each == name else f"{each} (backbone {name})" for each, name in sorted(types))


def registered_name(backbone: type[Backbone]) -> str:
    """The registered name of a backbone's class, or else the class's own."""
    return next((name for name in BACKBONES if BACKBONES[name] is backbone), backbone.__name__)
