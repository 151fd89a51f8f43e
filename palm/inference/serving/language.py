"""The language of what a person reads in a response: the one that the request asks for, else English."""

import re
from collections.abc import Iterable

from palm.locale.current import CHINESE, ENGLISH, translated

ACCEPT_LANGUAGE, CONTENT_LANGUAGE = "accept-language", "content-language"
_LONGEST_HEADER = 1000
_PREFERENCE = re.compile(r"([a-z]{1,8})(?:-[a-z0-9-]*)?(?:\s*;\s*q=([01](?:\.\d{0,3})?))?", re.IGNORECASE)
_TEXT = r'"(?:[^"\\]|\\.)*?(?:"|…)'  # a value that was too long to show ends in …
_ATOM = rf"(?:{_TEXT}|-?\d+(?:\.\d+)?|null|true|false|…)"
_QUOTED = re.compile(rf"`[^`]*`|[\[{{]+{_TEXT}(?:[\]}}]*[:,] [\[{{]*{_ATOM})*[\]}}]*…?|{_TEXT}")
"""What stands in backticks, and JSON with a text in it."""
_MARK = "\ue000"


def language_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """`zh` or `en`, by the header Accept-Language of a request (RFC 9110, section 12.5.4); its names in lower case."""
    given = [value.decode("latin-1") for name, value in headers if name == ACCEPT_LANGUAGE.encode()]
    return accepted_language(",".join(given))


def accepted_language(header: str) -> str:
    """The language of `zh-CN,zh;q=0.9,en;q=0.8` that is liked best; English where neither is named."""
    liked: dict[str, float] = {}
    for part in header[:_LONGEST_HEADER].split(","):
        match = _PREFERENCE.fullmatch(part.strip())
        if match is not None:
            name, weight = match[1].lower(), float(match[2] or 1)
            liked[name] = max(weight, liked.get(name, 0.0))
    return CHINESE if liked.get(CHINESE, 0.0) > liked.get(ENGLISH, 0.0) else ENGLISH


def in_language(text: str, language: str) -> str:
    """`text` translated, but for what it quotes of the request."""
    if _MARK in text:  # it would be taken for one of the marks
        return text
    values: list[str] = []

    def mark(match: re.Match[str]) -> str:
        if match.group().startswith("`"):  # never translated, and part of many a message
            return match.group()
        values.append(match.group())
        return f"`{_MARK}{len(values) - 1}`"

    shown = translated(_QUOTED.sub(mark, text), language)
    return re.sub(f"`{_MARK}(\\d+)`", lambda match: values[int(match[1])], shown)
