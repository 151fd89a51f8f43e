"""Which files a server watches; reloads themselves are in tests/integration/test_serve_changes.py."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("prometheus_client", reason='needs the extra serve: pip install "paddle-palm[serve]"')

from palm.inference.serving.reload import Reloader, give_memory_back, manifests_in


def test_models_are_watched_and_checkpoints_are_not(tmp_path):
    models = ["infer_model", "任务/infer_model"]
    for place in (*models, "ckpt/step_5", "任务/best_infer_model"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "manifest.json").write_text("{}", encoding="utf-8")

    assert {path for path, *_ in manifests_in(tmp_path)} == {str(tmp_path / one / "manifest.json") for one in models}
    assert len(manifests_in(tmp_path / "infer_model")) == 1


def test_models_are_loaded_in_one_thread_whose_memory_serves_the_next(tmp_path):
    threads, models = [], []

    def load():
        threads.append(threading.get_ident())
        return SimpleNamespace(tasks=("intent",))

    async def some():
        reloader = Reloader(SimpleNamespace(replace=models.append, metrics=metrics), tmp_path, load)
        for _ in range(4):
            # Threads of the loop's own pool take turns.
            await asyncio.gather(*(asyncio.to_thread(threading.get_ident) for _ in range(3)))
            assert await reloader.reload()

    metrics = SimpleNamespace(reloaded=lambda outcome: None)
    asyncio.run(some())
    assert len(models) == 4
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()
    give_memory_back()
