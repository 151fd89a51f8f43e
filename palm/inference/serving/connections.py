"""Connections that are slow or too many: heads that never end, responses that are not read."""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from palm.inference.serving.errors import HttpError
from palm.inference.serving.settings import RequestLimits


class TimedProtocol(H11Protocol):
    """uvicorn's protocol over h11, which has no time limit for the head of a request and for reading a response.

    h11 refuses what is no HTTP/1.1, and limits the size of a head.
    """

    limits: ClassVar[RequestLimits] = RequestLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first head, or refuse one connection too many."""
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self.limits.connections:
            rule = f"at most {self.limits.connections} connections are open at once."
            self._end(HttpError(429, rule, advice="Try again later.", headers={"retry-after": "1"}))
        else:
            self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        super().data_received(data)
        if self._is_answering and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        super().on_response_complete()
        if not self._is_answering:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for a client that does not read, and not forever."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP request; in the middle of a response there is nothing left to say."""
        if self._is_answering:
            self.transport.close()
            return
        self._end(HttpError(400, "requests are HTTP/1.1.", f"Found none: {msg}", "Use another client."))

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(self.limits.header_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_answering or self.transport.is_closing():
            return
        began = bool(self.conn.trailing_data[0])
        if not began:  # nothing was asked
            self.transport.close()
            return
        rule = f"the head of a request arrives within {self.limits.header_seconds:g} seconds."
        self._end(HttpError(408, rule, "Found it incomplete.", "Send it at once."))

    def _end(self, error: HttpError) -> None:
        self.transport.write(error.bytes_and_close)
        self.transport.close()


def protocol_with(limits: RequestLimits) -> type[Any]:
    """The protocol class for connections within `limits`."""
    return type("LimitedProtocol", (TimedProtocol,), {"limits": limits})
