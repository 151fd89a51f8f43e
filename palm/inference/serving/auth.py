"""Who may ask: those with the token, on every path but health checks; without one, those who mean this machine."""

import base64
import binascii
import hmac
import re
from collections.abc import Collection, Iterable

from palm.inference.serving.address import is_loopback
from palm.inference.serving.errors import HttpError, shown_value

HEALTH_PATHS = frozenset(("/healthz", "/v2/health/live", "/v2/health/ready"))
"""Paths that need no token: what watches a server has none."""

_HOST = re.compile(r"(\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^:\[\]/@]+))(:[0-9]{1,5})?")
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


def check_host(headers: Iterable[tuple[bytes, bytes]], own: str | None) -> None:
    """Refuse a request whose header Host names another machine, where only this one may ask.

    A browser on this machine asks also for pages of others, whose names may be made to stand for its address (DNS
    rebinding). A request without the header, which no browser sends, passes.

    Args:
        headers: Its headers, names in lower case.
        own: The address that the server listens at; None where other machines may ask.

    Raises:
        HttpError: 403.
    """
    if own is None:
        return
    for name, value in headers:
        if name == b"host" and not _is_own(value.decode("latin-1"), own):
            rule = "without a token, requests name this machine: localhost, 127.0.0.1 or [::1] in the header Host."
            advice = "A server behind another name needs a token (--token_file), or --no-auth."
            raise HttpError(403, rule, f"Found {shown_value(value.decode('latin-1'))}.", advice, where="Host")


def _is_own(given: str, own: str) -> bool:
    match = _HOST.fullmatch(given.strip().lower())
    if match is None:
        return False
    name = (match["address"] or match["name"]).removesuffix(".")
    return name == own.lower() or is_loopback(name)


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
