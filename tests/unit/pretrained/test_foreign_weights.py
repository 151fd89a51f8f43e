"""Weights from outside are read or refused; whatever they ask for, nothing runs and nothing is written."""

import pickle
import resource
import struct
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pytest

from palm.downloader.unpack import unpack
from palm.errors import CheckpointError, DownloadError
from palm.pretrained.paddle1x import parse_variable, read_archive
from palm.pretrained.pdparams import read_pdparams
from palm.pretrained.safetensors_files import read_safetensors, read_shards
from palm.storage.tensors import load_tensors
from tests.attacks import (
    Watched,
    crafted_safetensors,
    evil_archives,
    good_safetensors,
    malicious_pickles,
    mutated,
)

PICKLES = list(malicious_pickles(Path("trace")))


def only_names(value):
    return value if isinstance(value, str) else ""


def read_or_refuse(read, file):
    """What is read; nothing where the file is refused as it should be, by its name."""
    try:
        return read(file)
    except CheckpointError as error:
        if not str(error).startswith(str(file)) and "safetensors" not in str(error):
            raise
        return {}


def test_there_are_many_attacks():
    assert len(PICKLES) >= 1000
    assert len({content for _, content in PICKLES}) == len(PICKLES)
    assert len(list(crafted_safetensors())) >= 40
    assert len(list(evil_archives())) >= 100


def test_the_attacks_are_real(tmp_path):
    """Python's own unpickler runs them, and the watch sees it: otherwise the tests below could not fail."""
    ran = 0
    for name, content in malicious_pickles(tmp_path / "trace"):
        if name.startswith(("os.system", "builtins.exec", "subprocess.call")) and "by reduce" in name:
            with Watched() as events, suppress(OSError):  # subprocess looks for a file of that name
                pickle.loads(content)
            assert events
            ran += 1
    assert ran == 6
    assert (tmp_path / "trace").exists()


def test_no_malicious_pickle_runs(tmp_path):
    file = tmp_path / "evil.pdparams"
    warm_up(tmp_path)
    for name, content in malicious_pickles(tmp_path / "trace"):
        file.write_bytes(content)
        with Watched() as events, pytest.raises(CheckpointError, match=r"evil\.pdparams: "):
            read_pdparams(file)
        assert events == [], name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.pdparams", "good.pdparams"]


def warm_up(folder):
    """A first read imports what reading needs; nothing is imported after it."""
    (folder / "good.pdparams").write_bytes(pickle.dumps({"w": np.ones((2, 3), "float32")}))
    assert read_pdparams(folder / "good.pdparams")["w"].shape == (2, 3)


@pytest.mark.parametrize(("name", "content"), list(crafted_safetensors()), ids=only_names)
def test_a_crafted_header_is_refused_or_gives_what_the_file_holds(tmp_path, name, content):
    file = tmp_path / "a.safetensors"
    file.write_bytes(content)
    for read in (read_safetensors, load_tensors):
        arrays = read_or_refuse(read, file)
        if arrays:
            assert name in ("a name with a path", "a name with NUL", "header is twice"), name
            assert sum(np.asarray(array).nbytes for array in arrays.values()) <= 8
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("seed", range(4))
def test_mutated_weights_are_read_or_refused(tmp_path, seed):
    chance = Random(seed)
    sources = {
        "a.safetensors": (read_safetensors, good_safetensors()),
        "a.pdparams": (read_pdparams, pickle.dumps({"w": np.ones((2, 3)), "b": ("b", np.ones(2, "float16"))})),
        "a.index.json": (read_shards, b'{"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}'),
    }
    warm_up(tmp_path)
    read_safetensors_once(tmp_path)
    for name, (read, content) in sources.items():
        for _ in range(300):
            (tmp_path / name).write_bytes(mutated(content, chance))
            with Watched() as events:
                arrays = read_or_refuse(read, tmp_path / name)
            assert events == []
            assert all(isinstance(array, np.ndarray) and array.dtype != object for array in arrays.values())


def read_safetensors_once(folder):
    (folder / "b.safetensors").write_bytes(good_safetensors())
    assert set(read_safetensors(folder / "b.safetensors")) == {"a", "权重"}


@pytest.mark.parametrize("seed", range(4))
def test_mutated_paddle_1x_variables_are_read_or_refused(seed):
    chance = Random(seed)
    description = bytes([8, 5, 16, 2])  # FP32, one dimension of 2
    good = struct.pack("<IQIi", 0, 0, 0, len(description)) + description + np.ones(2, "float32").tobytes()
    assert parse_variable(good, "w").tolist() == [1.0, 1.0]
    for _ in range(1000):
        with suppress(CheckpointError):
            assert parse_variable(mutated(good, chance), "w").dtype.kind in "fiub"


@pytest.mark.parametrize(("name", "content"), list(evil_archives()), ids=only_names)
def test_no_member_of_an_archive_lands_outside(tmp_path, name, content):
    home = tmp_path / "a" / "b" / "c"
    home.mkdir(parents=True)
    (tmp_path / "archive").write_bytes(content)
    before = {path for path in tmp_path.rglob("*")}
    with suppress(DownloadError):
        unpack(tmp_path / "archive", home)
    new = {path for path in tmp_path.rglob("*")} - before
    assert all(home in path.parents for path in new), name
    assert not any(path.is_symlink() or path.is_fifo() or path.is_block_device() for path in new), name
    assert not Path("/palm-evil").exists()
    assert not Path("/etc/palm-evil").exists()


@pytest.mark.parametrize("seed", range(3))
def test_mutated_archives_are_unpacked_inside_or_refused(tmp_path, seed):
    chance = Random(seed)
    archives = [content for name, content in evil_archives() if "xz" not in name]
    for number in range(150):
        home = tmp_path / str(number) / "in"
        home.mkdir(parents=True)
        (tmp_path / "archive").write_bytes(mutated(chance.choice(archives), chance))
        with suppress(DownloadError):
            unpack(tmp_path / "archive", home)
        assert [path.name for path in home.parent.iterdir()] == ["in"]
    assert not Path("/palm-evil").exists()


@pytest.mark.parametrize("seed", range(2))
def test_mutated_archives_of_variables_are_read_or_refused(tmp_path, seed):
    chance = Random(seed)
    archives = [content for _, content in evil_archives()]
    file = tmp_path / "__palmmodel__"
    for _ in range(300):
        file.write_bytes(mutated(chance.choice(archives), chance))
        assert read_or_refuse(read_archive, file) == {}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"]r\xff\xff\xff\xff", id="a place far away in the memory"),
        pytest.param(b"]p4294967295\n", id="the same in text"),
        pytest.param(b"\x96" + struct.pack("<Q", 2**40), id="an array of bytes that never come"),
        pytest.param(b"\x8e" + struct.pack("<Q", 2**40), id="bytes that never come"),
        pytest.param(b"\x8d" + struct.pack("<Q", 2**40), id="text that never comes"),
        pytest.param(b"\x8b" + struct.pack("<i", 2**31 - 1), id="a number that never comes"),
        pytest.param(b"\x95" + struct.pack("<Q", 2**40), id="a frame that never comes"),
        pytest.param(b"]" * 200_000 + b"a" * 199_999, id="lists in lists"),
    ],
)
def test_a_pickle_that_grows_is_refused_without_the_memory(tmp_path, body):
    file = tmp_path / "a.pdparams"
    file.write_bytes(b"\x80\x05" + body + b".")
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    try:
        with pytest.raises(CheckpointError, match=r"a\.pdparams: (cannot be read|must be a dictionary)") as caught:
            read_pdparams(file)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert not isinstance(caught.value.__cause__, MemoryError)
