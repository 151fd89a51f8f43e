"""What every test may use: where the optional data lie, and a process that is set up before Paddle is imported."""

import gc
import os
import zlib  # noqa: F401 (Paddle 2.6 has to be imported after it, and after numpy.random)
from collections.abc import Iterator
from pathlib import Path

import numpy.random  # noqa: F401 (as above)
import pytest

# Tiny models run fastest on one thread, and two test processes do not fight for cores. Paddle reads this at its import.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests match messages in English, whatever the locale of who runs them.
os.environ["PALM_LANG"] = "en"

ROOT = Path(__file__).resolve().parent.parent
COLLECTED = pytest.StashKey[set[str]]()
"""The modules of which this process has collected a test, whatever options leave out of it afterwards."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One process more than there are cores, for the time that tests wait for servers, timeouts and locks."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) + 1


def pytest_itemcollected(item: pytest.Item) -> None:
    """Note the module of a test."""
    item.config.stash.setdefault(COLLECTED, set()).add(item.nodeid.partition("::")[0])


def pytest_collection_finish() -> None:
    """Let later garbage collections pass over what was imported so far, which takes a second each otherwise."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and the processes that they start, leave the user's cache alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALM_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PALM_CACHE_LIMIT", raising=False)
        yield


@pytest.fixture(scope="session")
def small_tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with a small tokenizer.json of each family (`tests/small_tokenizers.py`)."""
    from tests.small_tokenizers import write_all

    return write_all(tmp_path_factory.mktemp("tokenizers") / "分词器")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Public data sets and models beside the repository: `$PALM_SHARED`, or `../shared`."""
    folder = Path(os.environ.get("PALM_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"needs the public data and models of {folder.name}/ beside the repository (or PALM_SHARED)")
    return folder


@pytest.fixture(scope="session")
def minilm() -> Path:
    """MiniLM-L6's folder: `$PALM_MINILM`, or where `palm download minilm-l6-en` puts it in the repository."""
    folder = Path(os.environ.get("PALM_MINILM") or ROOT / "pretrain" / "minilm-l6-en")
    if not (folder / "model.safetensors").is_file():
        pytest.skip("needs MiniLM: run `palm download minilm-l6-en` in the repository, or set PALM_MINILM")
    return folder
