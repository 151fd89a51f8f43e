"""Server-sent events: which runs there are, and which of the chosen ones have grown.

They tell that something changed; the page asks for the points that its charts show.
"""

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Sequence

from palm.board.board import Board
from palm.locale.current import in_language

BEAT_SECONDS = 15.0
_PAUSE_SECONDS = 0.5
_RETRY_MILLISECONDS = 1000


class EventStreams:
    """The streams of all viewers.

    Args:
        board: The runs.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._boot = secrets.token_hex(4)  # numbers of an earlier process say nothing
        self._viewers = itertools.count()
        self._changes = asyncio.Condition()
        self.is_stopping = False

    async def notify(self) -> None:
        """Tell the streams that something is new, or that they end."""
        async with self._changes:
            self._changes.notify_all()

    async def events(self, keys: Sequence[str], last_id: str | None, language: str | None = None) -> AsyncIterator[str]:
        """The events of a viewer, from after the one that it has seen last, in its language."""
        viewer, seen = next(self._viewers), self._version_of(last_id)
        self._board.watch(viewer, keys)
        try:
            yield f"retry: {_RETRY_MILLISECONDS}\n\n"
            while not self.is_stopping:
                version = self._board.version
                with in_language(language):
                    told = "".join(self._news(seen, version, keys))
                seen = version
                yield told or ": still here\n\n"
                await self._wait(version)
        finally:
            self._board.unwatch(viewer)

    def _news(self, seen: int, version: int, keys: Sequence[str]) -> list[str]:
        events = []
        if self._board.list_version > seen:
            events.append(self._event("runs", self._board.listed(), version))
        grown = self._board.progress_since(seen, keys)
        if grown:
            events.append(self._event("grown", grown, version))
        return events

    def _event(self, name: str, content: object, version: int) -> str:
        return f"id: {self._boot}-{version}\nevent: {name}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n"

    def _version_of(self, last_id: str | None) -> int:
        boot, _, version = (last_id or "").partition("-")
        return int(version) if boot == self._boot and version.isascii() and version.isdecimal() else 0

    async def _wait(self, version: int) -> None:
        """Until there is something to tell, and some time in any case: a growing run changes all the time."""
        async with self._changes:
            if self._board.version == version and not self.is_stopping:
                try:
                    await asyncio.wait_for(self._changes.wait(), BEAT_SECONDS)
                except asyncio.TimeoutError:
                    return
        if not self.is_stopping:
            await asyncio.sleep(_PAUSE_SECONDS)
