"""The server process: it listens, and stops and reloads by signals without losing a request."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Generator

from uvicorn import Config, Server

from palm.inference.serving.app import build_app
from palm.inference.serving.connections import protocol_with
from palm.inference.serving.gate import Gate
from palm.inference.serving.hangups import EarlyHangups
from palm.inference.serving.loading import choose_runtime, load_served
from palm.inference.serving.metrics import ServeMetrics
from palm.inference.serving.reload import Reloader, give_memory_back
from palm.inference.serving.served_model import ServedModel
from palm.inference.serving.service import Service
from palm.inference.serving.settings import ServeSettings

_log = logging.getLogger(__name__)
_BACKLOG = 2048
# Clients that send one request after the other get an answer with `Connection: close` in this time.
_LAST_REQUESTS_SECONDS = 1.0
_TICK = 0.02


def serve(
    settings: ServeSettings, bound: socket.socket, when_listening: Callable[[], None], hangups: EarlyHangups
) -> int:
    """Load the model and answer until a signal ends it; returns the exit code.

    Args:
        settings: The settings.
        bound: A bound socket.
        when_listening: Called once it listens.
        hangups: Whether SIGHUP came before: then the model is loaded again.

    Raises:
        CheckpointError: There is no model, or a damaged one.
        ConfigError: It cannot be computed as the settings say.
    """
    # Only the service holds the model: after a reload the memory of the first one is free.
    service = Service(choose_runtime(settings), settings.limits, ServeMetrics())
    runtime = _announce(service.model)
    give_memory_back()  # that of the slower runtime, which was tried
    reloader = Reloader(service, settings.model, lambda: load_served(settings, runtime))
    server = PalmServer(settings, service, build_app(service, settings), reloader, when_listening, hangups)
    asyncio.run(server.serve(sockets=[bound]))
    return 0


def _announce(model: ServedModel) -> str:
    """Log what is served; returns what computes it."""
    _log.info("%s: %s; %s, %s", model.name, ", ".join(model.tasks), model.runtime, model.precision)
    return model.runtime


class PalmServer(Server):
    """uvicorn's server, which stops in three steps: no new connections, last requests, then the rest.

    Args:
        settings: The settings.
        service: What predicts.
        gate: The application.
        reloader: Reloads the model.
        when_listening: Called once it listens.
        hangups: Whether SIGHUP came before.
    """

    def __init__(
        self,
        settings: ServeSettings,
        service: Service,
        gate: Gate,
        reloader: Reloader,
        when_listening: Callable[[], None],
        hangups: EarlyHangups,
    ) -> None:
        super().__init__(
            Config(
                gate,
                http=protocol_with(settings.limits),
                ws="none",
                lifespan="on",
                backlog=_BACKLOG,
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=int(settings.limits.header_seconds) or 1,
                timeout_graceful_shutdown=max(1, round(settings.stop_seconds)),
            )
        )
        self._settings, self._service, self._gate = settings, service, gate
        self._reloader, self._when_listening, self._hangups = reloader, when_listening, hangups
        self._tasks: set[asyncio.Task[object]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle signals in the loop: the process then ends with code 0, not by the signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self._settings.reload:
            self._start(self._reloader.watch())
        if self._hangups.came:
            self._reload()
        self._when_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer what arrives on open connections for a moment, then finish what was accepted."""
        for server in self.servers:
            server.close()
        self._service.is_stopping = self._gate.is_stopping = True
        until = asyncio.get_running_loop().time() + _LAST_REQUESTS_SECONDS
        while self.server_state.connections and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_TICK)
        for task in self._tasks:
            task.cancel()
        await super().shutdown(sockets)

    def _stop(self, number: signal.Signals) -> None:
        if self.should_exit:
            os.write(2, b"Stopping at once.\n")
            os._exit(128 + number)
        self.should_exit = True
        _log.info("%s: stopping after the requests that were accepted; send it again to stop at once", number.name)

    def _reload(self) -> None:
        self._start(self._reloader.reload())

    def _start(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
