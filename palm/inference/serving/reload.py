"""Loads a new model beside the one that answers, and puts it in its place; a broken one is reported and left alone."""

import asyncio
import ctypes
import gc
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from palm.inference.serving.served_model import ServedModel
from palm.inference.serving.service import Service
from palm.storage.layout import INFERENCE_FOLDER, MANIFEST_FILE

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0

State = frozenset[tuple[str, int, int, int]]
"""What a model's folder looks like from outside: each manifest's path, inode, size and time."""


class Reloader:
    """Reloads the model of a service.

    Args:
        service: The service.
        folder: The folder of its model, for `watch`.
        load: Loads the model again.
    """

    def __init__(self, service: Service, folder: Path, load: Callable[[], ServedModel]) -> None:
        self._service, self._folder, self._load = service, folder, load
        self._seen = manifests_in(folder)
        self._one_at_a_time = asyncio.Lock()
        # The memory of a former model serves the next one only in the thread that asked for it (glibc's arenas): loaded
        # in one thread after the other, twenty models take several times the memory of two.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="palm-load")

    async def reload(self) -> bool:
        """Load the model again, in a thread of its own; returns whether it answers from now on."""
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            self._seen = await asyncio.to_thread(manifests_in, self._folder)
            try:
                model = await loop.run_in_executor(self._thread, self._load)
            except Exception as error:  # whatever it is, the earlier model answers
                _log.error("reload refused, the earlier model answers: %s", error)
                self._service.metrics.reloaded("refused")
                return False
            self._service.replace(model)
            self._service.metrics.reloaded("loaded")
            _log.info("reloaded: %s", ", ".join(model.tasks))
            del model
            # Requests that wait keep the earlier model until they are computed; then its memory is free.
            await loop.run_in_executor(self._thread, give_memory_back)
        return True

    async def watch(self) -> None:
        """Reload whenever the manifest of the model changes, which is written last; runs until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if await asyncio.to_thread(manifests_in, self._folder) != self._seen:
                await self.reload()


def give_memory_back() -> None:
    """Free what nothing holds any more, and hand its pages back to the system where the C library can (glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def manifests_in(folder: Path) -> State:
    """The manifests of the inference models in or below `folder`; not those of a run's checkpoints."""
    found = set()
    for place in ("", f"{INFERENCE_FOLDER}/", f"*/{INFERENCE_FOLDER}/"):
        pattern = f"{place}{MANIFEST_FILE}"
        for file in folder.expanduser().glob(pattern):
            try:
                facts = file.stat()
            except OSError:  # replaced at this moment
                continue
            found.add((str(file), facts.st_ino, facts.st_size, facts.st_mtime_ns))
    return frozenset(found)
