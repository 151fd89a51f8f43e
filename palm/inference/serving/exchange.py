"""Bodies of requests and responses: JSON in, JSON out, and a client that may go away in between."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from palm.inference.serving.errors import JSON_TYPE, HttpError, shown_value
from palm.inference.serving.request_rows import ADVICE


def json_response(content: object, status: int = 200) -> Response:
    """A response of JSON; a number that JSON lacks was replaced before."""
    return Response(json.dumps(content, ensure_ascii=False, allow_nan=False), status, media_type=JSON_TYPE)


async def json_object(request: Request) -> dict[str, object]:
    """The JSON object of a request's body.

    Raises:
        HttpError: The body is of another type (415), or no JSON object (400).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_TYPE:
        rule = f"a body is of type {JSON_TYPE}."
        found = f"Found {shown_value(kind)}." if kind else "Found no content-type."
        raise HttpError(415, rule, found, f"Send the header `Content-Type: {JSON_TYPE}`.")
    return parse_object(await request.body())


def disconnected(request: Request) -> Callable[[], Awaitable[None]]:
    """Waits until the client of a request is gone."""

    async def wait() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return wait


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        HttpError: It is no JSON object.
    """
    try:
        content = from_json(body, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        found = shown_value(str(error)) if body else "an empty body"
        raise HttpError(400, "a body is JSON in UTF-8.", f"Found {found}.", ADVICE) from None
    if not isinstance(content, dict):
        raise HttpError(400, "a body is a JSON object.", f"Found {shown_value(content)}.", ADVICE)
    return content
