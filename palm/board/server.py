"""The server process of the board, which ends at once by a signal, open streams or not."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Generator
from pathlib import Path

from uvicorn import Config, Server

from palm.board.app import build_board_app
from palm.board.board import Board
from palm.board.stream import EventStreams
from palm.inference.serving.connections import protocol_with
from palm.inference.serving.settings import RequestLimits

_STOP_SECONDS = 2


def serve_board(
    root: Path,
    bound: socket.socket,
    own_host: str | None,
    when_listening: Callable[[], None],
    language: str | None = None,
) -> int:
    """Show the runs below a folder until a signal ends it; returns the exit code.

    Args:
        root: The folder.
        bound: A bound socket.
        own_host: The address that it listens at, where only this machine may ask; else None.
        when_listening: Called once it listens.
        language: The language of its page; that of the browser by default.
    """
    asyncio.run(_serve(root, bound, own_host, when_listening, language))
    return 0


async def _serve(
    root: Path,
    bound: socket.socket,
    own_host: str | None,
    when_listening: Callable[[], None],
    language: str | None,
) -> None:
    loop = asyncio.get_running_loop()

    def changed() -> None:
        notice = streams.notify()
        try:
            asyncio.run_coroutine_threadsafe(notice, loop)
        except RuntimeError:  # the loop is closed: the board ends
            notice.close()

    board = Board(root, changed)
    streams = EventStreams(board)
    config = Config(
        build_board_app(board, streams, own_host, language),
        http=protocol_with(RequestLimits()),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    board.start()
    await BoardServer(config, streams, when_listening).serve(sockets=[bound])
    board.close()


class BoardServer(Server):
    """uvicorn's server, which ends the streams when it is told to stop.

    Args:
        config: uvicorn's settings.
        streams: The streams.
        when_listening: Called once it listens.
    """

    def __init__(self, config: Config, streams: EventStreams, when_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._streams, self._when_listening = streams, when_listening

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle signals in the loop: the process then ends with code 0, not by the signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._when_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then the rest."""
        self._streams.is_stopping = True
        await self._streams.notify()
        await super().shutdown(sockets)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
