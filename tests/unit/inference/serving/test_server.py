"""What a server keeps of models; its stops and reloads under load are in tests/integration/test_serve_changes.py."""

import socket
import weakref
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason='needs the extra serve: pip install "paddle-palm[serve]"')

from palm.inference.serving import server
from palm.inference.serving.hangups import EarlyHangups
from palm.inference.serving.settings import ServeSettings


@dataclass(eq=False)
class Model:
    """The facts of a model that `serve` reads."""

    name: str = "run"
    runtime: str = "palm"
    precision: str = "predicts in float32"
    tasks: dict[str, object] = field(default_factory=lambda: {"intent": None})


def test_the_first_model_is_free_after_a_reload(monkeypatch, tmp_path):
    first = [Model()]
    kept = weakref.ref(first[0])
    runtimes = []

    class OneReload:
        def __init__(self, settings, service, gate, reloader, when_listening, hangups):
            self.reloader = reloader

        async def serve(self, sockets):
            assert kept() is not None
            assert await self.reloader.reload()
            assert kept() is None

    def load_again(settings, runtime):
        runtimes.append(runtime)
        return Model()

    monkeypatch.setattr(server, "choose_runtime", lambda settings: first.pop())
    monkeypatch.setattr(server, "load_served", load_again)
    monkeypatch.setattr(server, "PalmServer", OneReload)
    with socket.socket() as bound:
        assert server.serve(ServeSettings(model=Path(tmp_path)), bound, lambda: None, EarlyHangups()) == 0
    assert runtimes == ["palm"]
