"""Errors of the HTTP interface: a status, and JSON with the rule, what was found, and what to do.

These three are for a person, in the language that the request asks for; status, title and place are for programs.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus

from palm.inference.serving.language import in_language
from palm.locale.current import ENGLISH

_MOST_SHOWN = 120

JSON_TYPE = "application/json"
CLIENT_GONE = 499  # what servers log for a client that went away


class HttpError(Exception):
    """A request that is refused.

    Args:
        status: The status of the response.
        rule: What is expected.
        found: What was found instead.
        advice: What to do.
        where: The place in the request, such as `inputs[2]`.
        headers: Further headers of the response.
    """

    def __init__(
        self,
        status: int,
        rule: str,
        found: str = "",
        advice: str = "",
        *,
        where: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(rule)
        self.status = status
        self.headers = dict(headers or {})
        self._where = where
        self._told = {"rule": rule, "found": found, "advice": advice}

    def content(self, language: str = ENGLISH) -> Mapping[str, Mapping[str, object]]:
        """What the response says, in a language."""
        place = {"where": self._where} if self._where else {}
        told = {key: in_language(text, language) for key, text in self._told.items() if text}
        return {"error": {"status": self.status, "title": _title(self.status), **place, **told}}

    def body(self, language: str = ENGLISH) -> bytes:
        """The JSON of the response, in a language."""
        return json.dumps(self.content(language), ensure_ascii=False).encode("utf-8", "backslashreplace")

    @property
    def bytes_and_close(self) -> bytes:
        """A whole HTTP/1.1 response, after which the connection is closed: for requests whose head was not read."""
        reason, body = _title(self.status), self.body()
        lines = [f"HTTP/1.1 {self.status} {reason}", f"content-type: {JSON_TYPE}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join([*lines, "connection: close", "", ""])).encode("latin-1") + body


def shown_value(value: object) -> str:
    """A value of a request in a message: as JSON, and short."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
