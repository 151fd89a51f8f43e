import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from palm.data.cache import cache_folder, cache_limit, clear, entries, entry_lock, evict, find_entry, readable_size
from palm.errors import ConfigError
from palm.storage.atomic_directory import atomic_directory

KEYS = [letter * 64 for letter in "abc"]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "datasets"


def make(home, key, *, size=1000, used=None):
    with entry_lock(home, key, patience=1) as folder, atomic_directory(folder) as aside:
        (aside / "数据.npy").write_bytes(bytes(size))
    if used is not None:
        os.utime(home / key, (used, used))


def names(home):
    return [entry.folder.name for entry in entries(home)]


def test_an_entry_is_found_by_its_key_and_no_other(home):
    assert find_entry(home, KEYS[0]) is None
    make(home, KEYS[0])
    assert find_entry(home, KEYS[0]) == home / KEYS[0]
    assert find_entry(home, KEYS[1]) is None
    assert home.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["数据.npy", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_entry_is_told_and_removed(home, caplog, name, damage):
    make(home, KEYS[0])
    file = home / KEYS[0] / name
    content = bytearray(file.read_bytes())
    if damage == "remove":
        file.unlink()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content if damage == "flip" else content[:-7])
    assert find_entry(home, KEYS[0]) is None
    assert "damaged, so it is rebuilt" in caplog.text
    assert not (home / KEYS[0]).exists()


def test_the_oldest_used_are_dropped_first(home):
    for key, used in zip(KEYS, (100, 300, 200), strict=True):
        make(home, key, used=used)
    size = entries(home)[0].size
    assert names(home) == [KEYS[0], KEYS[2], KEYS[1]]
    assert evict(home, 3 * size) == []
    find_entry(home, KEYS[0])  # which makes it the newest
    assert [folder.name for folder in evict(home, 2 * size)] == [KEYS[2]]
    assert names(home) == [KEYS[1], KEYS[0]]
    assert [folder.name for folder in evict(home, 0)] == [KEYS[1], KEYS[0]]
    assert not [path for path in home.iterdir() if path.is_dir()]


def test_sizes_count_every_file(home):
    make(home, KEYS[0], size=1000)
    assert entries(home)[0].size == 1000 + (home / KEYS[0] / "manifest.json").stat().st_size


def test_clearing_removes_entries_and_nothing_else(home):
    make(home, KEYS[0])
    make(home, KEYS[1])
    size = sum(entry.size for entry in entries(home))
    (home / "notes.txt").write_text("mine")
    shutil.copytree(home / KEYS[0], home / "my-model")
    assert clear(home) == size
    assert sorted(path.name for path in home.iterdir()) == ["my-model", "notes.txt"]
    assert clear(home) == 0


def test_a_cache_that_is_not_there_is_empty(home):
    assert (entries(home), evict(home, 0), clear(home)) == ([], [], 0)


def test_another_process_is_waited_for_but_not_for_ever(home, caplog):
    with (
        entry_lock(home, KEYS[0], patience=1),
        pytest.raises(OSError, match="lock"),
        entry_lock(home, KEYS[0], patience=0.05),
    ):
        pass
    assert "another process is writing it; waiting." in caplog.text


def test_who_waits_gets_its_turn(home):
    entered = threading.Event()

    def hold():
        with entry_lock(home, KEYS[0], patience=1):
            entered.set()
            time.sleep(0.1)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(10)
    with entry_lock(home, KEYS[0], patience=10) as folder:
        assert folder == home / KEYS[0]
    holder.join(10)


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
    with pytest.raises(
        ConfigError, match=f"PALM_CACHE_LIMIT: the limit is a size such as 500MB or 8G.*Found `{given}`"
    ):
        cache_limit()


@pytest.mark.parametrize(
    ("size", "wanted"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KB"), (5 << 20, "5.0 MB"), (4 << 30, "4.0 GB")],
)
def test_readable_sizes(size, wanted):
    assert readable_size(size) == wanted
