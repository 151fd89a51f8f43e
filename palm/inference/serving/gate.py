"""What every request passes, whichever path it asks for: token, size and time of its body, headers of the response."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextlib import suppress
from typing import Any

from palm.inference.serving.auth import check_host, check_token
from palm.inference.serving.errors import CLIENT_GONE, JSON_TYPE, HttpError
from palm.inference.serving.language import CONTENT_LANGUAGE, language_of
from palm.inference.serving.metrics import ServeMetrics
from palm.inference.serving.settings import RequestLimits

AsgiScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[AsgiScope, Receive, Send], Awaitable[None]]

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY_HEADERS = {
    b"content-security-policy": PAGE_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
_OTHER_PATHS = "other"
_DISCARD_SECONDS, _DISCARDED_BODIES = 2.0, 8


class Gate:
    """An ASGI application around another one.

    It hands on whole bodies alone, and counts what is answered.

    Args:
        app: The application.
        token: The token of requests; None for none.
        open_paths: Paths that need no token.
        limits: Limits of bodies.
        metrics: Counts requests.
        own_host: The address where only this machine may ask, see `check_host`.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        token: str | None,
        open_paths: Collection[str],
        limits: RequestLimits,
        metrics: ServeMetrics,
        own_host: str | None = None,
    ) -> None:
        self._app, self._token, self._limits, self._metrics = app, token, limits, metrics
        self._open_paths, self._own_host = open_paths, own_host
        self.is_stopping = False

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        def count(status: int) -> None:
            path = getattr(scope.get("route"), "path", _OTHER_PATHS)
            self._metrics.request(_OTHER_PATHS if status == 404 else path, status, time.perf_counter() - began)

        response = _Response(send, count, closing=self.is_stopping)
        try:
            check_host(scope["headers"], self._own_host)
            check_token(scope["path"], scope["headers"], self._token, self._open_paths)
            body = await self._body(scope, receive)
            await self._app(scope, _replay(body, receive), response)
        except HttpError as error:
            # The rest of a body may still be under way: nothing else can follow on this connection.
            unread = error.status in (408, 413)
            if error.status == 413:
                await self._discard(scope, receive)
            await response.refuse(error, language_of(scope["headers"]), closing=unread)
        except _ClientGoneError:
            count(CLIENT_GONE)

    async def _body(self, scope: AsgiScope, receive: Receive) -> bytes:
        """The body of a request.

        Raises:
            HttpError: It is too large (413) or too slow (408).
        """
        self._check_length(dict(scope["headers"]).get(b"content-length", b"0"))
        try:
            return await asyncio.wait_for(self._read(receive), self._limits.body_seconds)
        except asyncio.TimeoutError:
            rule = f"a body arrives within {self._limits.body_seconds:g} seconds."
            raise HttpError(408, rule, "Found it incomplete.", "Send it at once.") from None

    async def _read(self, receive: Receive) -> bytes:
        parts = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _ClientGoneError
            parts += message.get("body", b"")
            if len(parts) > self._limits.body:
                raise self._too_large(f"more than {len(parts) - 1:,}")
            if not message.get("more_body", False):
                return bytes(parts)

    async def _discard(self, scope: AsgiScope, receive: Receive) -> None:
        """Read on for a while: a connection that is closed on unread bytes is reset, and its response lost."""
        if b"expect" in dict(scope["headers"]):  # the client waits for us before it sends
            return
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._drain(receive), _DISCARD_SECONDS)

    async def _drain(self, receive: Receive) -> None:
        left = _DISCARDED_BODIES * self._limits.body
        while left > 0:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return
            left -= len(message.get("body", b""))

    def _check_length(self, length: bytes) -> None:
        if length.isdigit() and int(length[:18]) > self._limits.body:
            raise self._too_large(f"{int(length[:18]):,}")

    def _too_large(self, found: str) -> HttpError:
        rule = f"a body has at most {self._limits.body:,} bytes."
        return HttpError(413, rule, f"Found {found}.", "Send several requests.")


class _ClientGoneError(Exception):
    """The client closed the connection before its body was complete."""


class _Response:
    """Sends a response, with the headers that all of them have.

    Args:
        send: Sends a message.
        count: Counts a response by its status, before a client can know of it.
        closing: Whether the connection ends with it.
    """

    def __init__(self, send: Send, count: Callable[[int], None], *, closing: bool) -> None:
        self._send, self._count, self._closing = send, count, closing
        self._is_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_started = True
            self._count(message["status"])
            own = [(name.lower(), value) for name, value in message.get("headers", [])]
            there = {name for name, _ in own}
            own += [header for header in _SECURITY_HEADERS.items() if header[0] not in there]
            own += [(b"connection", b"close")] if self._closing else []
            message = {**message, "headers": own}
        await self._send(message)

    async def refuse(self, error: HttpError, language: str, *, closing: bool) -> None:
        """Answer with an error in `language`, unless an answer is under way."""
        if self._is_started:
            return
        self._closing = self._closing or closing
        body = error.body(language)
        headers = {"content-type": JSON_TYPE, "content-length": str(len(body)), CONTENT_LANGUAGE: language}
        headers |= error.headers
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": error.status, "headers": encoded})
        await self({"type": "http.response.body", "body": body})


def _replay(body: bytes, receive: Receive) -> Receive:
    """`receive` of a request whose body was read: the body, then whatever follows it, such as a disconnect."""
    parts = [body]

    async def again() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": False}
        return await receive()

    return again
