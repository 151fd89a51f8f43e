"""Reads the sizes of an encoder from a config.json, or from its content."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from palm.config.load import load_backbone_file
from palm.config.paths import BACKBONE_FILES, beside_weights
from palm.errors import ConfigError, Problem
from palm.schema.fields import BackboneFields
from palm.schema.validate import validate
from palm.schema.values import BACKBONE_ALIASES, Layer, Resolved, Setting, settle_aliases

Sizes = TypeVar("Sizes", bound=BackboneFields)


def read_sizes(schema: type[Sizes], config: Mapping[str, object] | str | Path, *, owner: str) -> Sizes:
    """The keys of `schema` in `config`; keys of others are passed over, as published files have many.

    Args:
        schema: The backbone's keys.
        config: Content of a config.json, the file, or its folder.
        owner: Who asks, for messages.

    Raises:
        ConfigError: Everything that is wrong with it.
    """
    layer, problems, home = _layer(config, owner)
    values = {key: Resolved(setting) for key, setting in layer.items()}
    sizes, wrong = validate(schema, values, owner="a backbone", home=home) if not problems else (None, [])
    if sizes is None:
        raise ConfigError([*problems, *wrong])
    return sizes


def _layer(config: Mapping[str, object] | str | Path, owner: str) -> tuple[Layer, list[Problem], str]:
    if isinstance(config, Mapping):
        return *settle_aliases((Setting(key, value, owner) for key, value in config.items()), BACKBONE_ALIASES), owner
    file = Path(config)
    file = (beside_weights(file, BACKBONE_FILES) or file) if file.is_dir() else file
    return *load_backbone_file(Setting("config", str(file), owner)), str(file)
