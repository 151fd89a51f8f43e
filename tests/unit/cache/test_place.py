from pathlib import Path

import pytest

from palm.cache.place import cache_folder, cache_limit, readable_size
from palm.errors import ConfigError


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("PALM_CACHE", "PALM_CACHE_LIMIT", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nutzer/小明")


def test_the_users_own_place_wins_over_xdg_over_home(monkeypatch):
    assert cache_folder() == Path("/nutzer/小明/.cache/palm")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == Path("/nutzer/小明/.cache/palm")
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    assert cache_folder() == Path("/fast/palm")
    monkeypatch.setenv("PALM_CACHE", "~/缓存")
    assert cache_folder() == Path("/nutzer/小明/缓存")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, 4 << 30), ("", 4 << 30), ("0", 0), ("1000", 1000), ("500MB", 500 << 20), ("8G", 8 << 30),
        ("1.5 gib", 3 << 29), ("2KB", 2048), ("1T", 1 << 40),
    ],
)  # fmt: skip
def test_limit(monkeypatch, given, wanted):
    if given is not None:
        monkeypatch.setenv("PALM_CACHE_LIMIT", given)
    assert cache_limit() == wanted


@pytest.mark.parametrize("given", ["much", "-1", "5X", "GB", "1e9"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch, given):
    monkeypatch.setenv("PALM_CACHE_LIMIT", given)
    with pytest.raises(ConfigError, match=f"PALM_CACHE_LIMIT: a size such as 500MB or 8G is wanted.*Found `{given}`"):
        cache_limit()


@pytest.mark.parametrize(
    ("size", "wanted"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KB"), (5 << 20, "5.0 MB"), (4 << 30, "4.0 GB")],
)
def test_readable_sizes(size, wanted):
    assert readable_size(size) == wanted
