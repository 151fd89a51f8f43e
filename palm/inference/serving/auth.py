"""The token that requests carry, on every path but those of health checks."""

import base64
import binascii
import hmac
from collections.abc import Collection, Iterable

from palm.inference.serving.errors import HttpError

HEALTH_PATHS = frozenset(("/healthz", "/v2/health/live", "/v2/health/ready"))
"""Paths that need no token: what watches a server has none."""

# Without Basic: the page asks for the token itself and keeps it in memory, where a browser would keep a password.
_CHALLENGE = 'Bearer realm="palm"'


def check_token(
    path: str,
    headers: Iterable[tuple[bytes, bytes]],
    token: str | None,
    open_paths: Collection[str] = HEALTH_PATHS,
) -> None:
    """Refuse a request without the token.

    It is a bearer token, or the password of any user, as `curl --user` sends it.

    Args:
        path: The path of the request.
        headers: Its headers, names in lower case.
        token: The token; None for a server without one.
        open_paths: Paths that need none.

    Raises:
        HttpError: 401.
    """
    if token is None or path in open_paths:
        return
    given = [value for name, value in headers if name == b"authorization"]
    # Compared in any case and in constant time, so that the time says nothing about the token.
    if not hmac.compare_digest(_token_in(given[0] if len(given) == 1 else b""), token.encode()):
        found = "Found another one." if given else "Found none."
        advice = "Send the header `Authorization: Bearer TOKEN`."
        headers_sent = {"www-authenticate": _CHALLENGE}
        raise HttpError(401, "requests carry the token of the server.", found, advice, headers=headers_sent)


def _token_in(header: bytes) -> bytes:
    scheme, _, value = header.partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
