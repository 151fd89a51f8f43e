"""Reads what the folder of a tokenizer says of it, as transformers writes it: tokenizer_config.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palm.errors import ConfigError, Problem

TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
ROLES = ("pad_token", "unk_token", "mask_token")
_COPY = "Download the file again, or remove it."


@dataclass(frozen=True)
class TokenizerConfig:
    """What a tokenizer_config.json says.

    Attributes:
        file: The file; None if there is none.
        do_lower_case: Whether text is lower-cased; None if the file does not say.
        strip_accents: Whether accents are removed; None: together with lower-casing.
        tokenize_chinese_chars: Whether each Chinese character is a word.
        special_tokens: The special token of each role, of those that the file, or a special_tokens_map.json, names.
        segments: Whether the encoder has segments; None if the file does not say.
    """

    file: Path | None = None
    do_lower_case: bool | None = None
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    special_tokens: Mapping[str, str] = field(default_factory=dict)
    segments: bool | None = None


def read_tokenizer_config(folder: Path) -> TokenizerConfig:
    """The tokenizer's settings in `folder`; nothing but defaults if it has no tokenizer_config.json.

    Raises:
        ConfigError: The file is not a JSON object, or a setting is not of its type.
    """
    file, map_file = folder / TOKENIZER_CONFIG, folder / SPECIAL_TOKENS_MAP
    named = _special_tokens(read_object(map_file)) if map_file.is_file() else {}
    if not file.is_file():
        return TokenizerConfig(special_tokens=named)
    content = read_object(file)
    names = content.get("model_input_names")
    chinese = _flag(file, content, "tokenize_chinese_chars")
    return TokenizerConfig(
        file,
        _flag(file, content, "do_lower_case"),
        _flag(file, content, "strip_accents"),
        True if chinese is None else chinese,
        named | _special_tokens(content),
        "token_type_ids" in names if isinstance(names, list) else None,
    )


def read_object(file: Path) -> dict[str, Any]:
    """The content of a JSON file that holds an object.

    Raises:
        ConfigError: The file cannot be read, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except RecursionError:  # nested a thousand levels deep
        raise ConfigError(
            Problem(str(file), f"a JSON object is expected, found one nested too deeply. {_COPY}")
        ) from None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:80]
        raise ConfigError(Problem(str(file), f"a JSON object is expected, found: {reason}. {_COPY}")) from error
    if not isinstance(content, dict):
        raise ConfigError(Problem(str(file), f"a JSON object is expected, found `{str(content)[:40]}`. {_COPY}"))
    return content


def _special_tokens(content: Mapping[str, Any]) -> dict[str, str]:
    """Role → token, from `"pad_token": "[PAD]"` or `{"content": "[PAD]", …}`."""
    found = {}
    for role in ROLES:
        value = content.get(role)
        value = value.get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            found[role] = value
    return found


def _flag(file: Path, content: dict[str, Any], key: str) -> bool | None:
    value = content.get(key)
    if value is not None and not isinstance(value, bool):
        found = f"found `{str(value)[:40]}`"
        raise ConfigError(Problem(str(file), f"`{key}` is true, false or null, {found}. Correct it."))
    return value
