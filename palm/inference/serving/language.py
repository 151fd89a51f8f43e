"""The language of what a person reads in a response: the one that the request asks for, else English."""

import re
from collections.abc import Iterable

from palm.locale.current import ENGLISH, accepted_language, translated

ACCEPT_LANGUAGE, CONTENT_LANGUAGE = "accept-language", "content-language"
_LONGEST_HEADER = 1000
_TEXT = r'"(?:[^"\\]|\\.)*?(?:"|…)'  # a value that was too long to show ends in …
_ATOM = rf"(?:{_TEXT}|-?\d+(?:\.\d+)?|null|true|false|…)"
_QUOTED = re.compile(rf"`[^`]*`|[\[{{]+{_TEXT}(?:[\]}}]*[:,] [\[{{]*{_ATOM})*[\]}}]*…?|{_TEXT}")
"""What stands in backticks, and JSON with a text in it."""
_MARK = "\ue000"


def language_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """`zh` or `en`, by the header Accept-Language of a request (RFC 9110, section 12.5.4).

    Args:
        headers: Names in lower case and values; a header may come several times.
    """
    given = [value.decode("latin-1") for name, value in headers if name == ACCEPT_LANGUAGE.encode()]
    return accepted_language(",".join(given)[:_LONGEST_HEADER]) or ENGLISH


def in_language(text: str, language: str) -> str:
    """`text` translated, but for what it quotes of the request.

    Args:
        text: A sentence of a refusal; values of the request stand in quotation marks or backticks.
        language: `zh` or `en`.
    """
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
