"""The configuration as hyper-parameters of a tracker: flat, and without secrets."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_SECRET = re.compile(r"(^|_)(token|secret|password|passwd|pwd|api_?key|access_key|private_key|credentials?|auth)$")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY_SECRET = re.compile(r"(?i)([?&](?:[\w-]*(?:token|secret|password|key|signature|sig))=)[^&\s#]+")

Plain = str | int | float | bool


def without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without keys that hold secrets, and without those in addresses."""
    return {key: _cleaned(value) for key, value in config.items() if not _SECRET.search(str(key).lower())}


def _cleaned(value: Any) -> Any:  # noqa: ANN401 (plain data of any kind)
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, list | tuple):
        return [_cleaned(each) for each in value]
    return _QUERY_SECRET.sub(r"\1***", _USER_INFO.sub("***@", value)) if isinstance(value, str) else value


def hyper_parameters(config: Mapping[str, Any], prefix: str = "") -> dict[str, Plain]:
    """`{"tasks": {"intent": {"batch_size": 8}}}` → `{"tasks.intent.batch_size": 8}`; lists are text, None is left out.

    Args:
        config: The configuration, without secrets.
        prefix: Of the names, with its dot.
    """
    return {f"{prefix}{name}": value for name, value in _flat(config)}


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Plain]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from hyper_parameters(value, f"{key}.").items()
        elif isinstance(value, str | int | float | bool):
            yield key, value
        elif value is not None:
            yield key, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
