"""`palm cache`: what it says, and what it removes."""

import pytest

from palm.cli.main import main
from palm.data.cache import entry_lock
from palm.storage.atomic_directory import atomic_directory


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PALM_CACHE", str(tmp_path / "缓存"))
    return tmp_path / "缓存" / "datasets"


def make(home, letter):
    with entry_lock(home, letter * 64, patience=1) as folder, atomic_directory(folder) as aside:
        (aside / "x.npy").write_bytes(bytes(3 << 19))


def test_size_and_place(home, capsys, monkeypatch):
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{home}: 0 tokenised data sets, 0 bytes of at most 4.0 GB.\n"
    make(home, "a")
    monkeypatch.setenv("PALM_CACHE_LIMIT", "2G")
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{home}: 1 tokenised data set, 1.5 MB of at most 2.0 GB.\n"


def test_clear(home, capsys):
    make(home, "a")
    make(home, "b")
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"{home}: removed 2 tokenised data sets, 3.0 MB.\n"
    assert list(home.iterdir()) == []


def test_wrong_words_and_a_wrong_limit_are_refused(home, capsys, monkeypatch):
    assert main(["cache", "--clean"]) == 2
    assert "--clean" in capsys.readouterr().err
    monkeypatch.setenv("PALM_CACHE_LIMIT", "much")
    assert main(["cache"]) == 2
    assert "PALM_CACHE_LIMIT: the limit is a size such as 500MB or 8G" in capsys.readouterr().err
