import os
import shutil
import threading
import time

import pytest

from palm.cache.entries import clear, entries, find_entry, make_room, making
from palm.storage.atomic_directory import sealed_folder

KEYS = [letter * 64 for letter in "abc"]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "datasets"


def make(home, key, *, size=1000, used=None):
    with making(home, key, patience=1) as folder, sealed_folder(folder) as aside:
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
    assert "damaged, so it is made again" in caplog.text
    assert not (home / KEYS[0]).exists()


def test_the_oldest_used_are_dropped_first(home):
    for key, used in zip(KEYS, (100, 300, 200), strict=True):
        make(home, key, used=used)
    size = entries(home)[0].size
    assert names(home) == [KEYS[0], KEYS[2], KEYS[1]]
    assert make_room(home, 3 * size) == []
    find_entry(home, KEYS[0])  # which makes it the newest
    assert [folder.name for folder in make_room(home, 2 * size)] == [KEYS[2]]
    assert names(home) == [KEYS[1], KEYS[0]]
    assert [folder.name for folder in make_room(home, 0)] == [KEYS[1], KEYS[0]]
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
    assert (entries(home), make_room(home, 0), clear(home)) == ([], [], 0)


def test_another_process_is_waited_for_but_not_for_ever(home, caplog):
    with making(home, KEYS[0], patience=1), pytest.raises(OSError, match="lock"), making(home, KEYS[0], patience=0.05):
        pass
    assert "another process is making it; waiting." in caplog.text


def test_who_waits_gets_its_turn(home):
    entered = threading.Event()

    def hold():
        with making(home, KEYS[0], patience=1):
            entered.set()
            time.sleep(0.1)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(10)
    with making(home, KEYS[0], patience=10) as folder:
        assert folder == home / KEYS[0]
    holder.join(10)
