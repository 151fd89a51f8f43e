import errno
import json
import os
import re
import shutil
import sys
import threading
from pathlib import Path

import pytest

import palm
from palm.errors import CheckpointError
from palm.storage.atomic_directory import atomic_directory, remove_folder, remove_stale, verify


def write(folder, **files):
    with atomic_directory(folder) as aside:
        for name, text in files.items():
            (aside / name).write_text(text, encoding="utf-8")


def test_a_sealed_folder_verifies_and_leaves_nothing_beside_it(tmp_path):
    write(tmp_path / "step_1", weights="1234", 配置="中文")
    verify(tmp_path / "step_1")
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]


def test_a_failure_inside_the_block_leaves_the_old_folder_whole(tmp_path):
    write(tmp_path / "step_1", weights="old")
    with pytest.raises(ZeroDivisionError):
        write_half_a_folder(tmp_path / "step_1")
    verify(tmp_path / "step_1")
    assert (tmp_path / "step_1" / "weights").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]


def write_half_a_folder(folder):
    with atomic_directory(folder) as aside:
        (aside / "weights").write_text("half")
        _ = 1 / 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "weights").write_text("1235"), "weights: differs from what was written"),
        (lambda folder: (folder / "weights").write_text("12345"), "weights: differs from what was written"),
        (lambda folder: (folder / "weights").unlink(), "weights: listed in manifest.json but missing"),
        (
            lambda folder: (folder / "manifest.json").unlink(),
            "manifest.json: a folder written by PALM contains this file",
        ),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json: is not a manifest of PALM"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json: is not a manifest of PALM"),
        (lambda folder: (folder / "manifest.json").write_text("[" * 99999), "manifest.json: is not a manifest of PALM"),
    ],
)
def test_damage_is_found(tmp_path, damage, message):
    write(tmp_path / "good", weights="1234")
    damage(tmp_path / "good")
    with pytest.raises(CheckpointError, match=message):
        verify(tmp_path / "good")


def change_manifest(folder, **keys):
    file = folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


def test_a_newer_format_is_refused_by_the_versions_that_wrote_and_read(tmp_path):
    write(tmp_path / "good", weights="1234")
    change_manifest(tmp_path / "good", format_version=99, palm_version="7.1", files="something else", seal=None)
    known = rf"this PALM {re.escape(palm.__version__)} reads versions 1 to 3\. Use PALM 7\.1, or a newer one"
    with pytest.raises(CheckpointError, match=rf"format version 99, written by PALM 7\.1; {known}"):
        verify(tmp_path / "good")


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", True, None, [], {}])
def test_what_is_no_version_is_refused(tmp_path, version):
    write(tmp_path / "good", weights="1234")
    change_manifest(tmp_path / "good", format_version=version)
    with pytest.raises(CheckpointError, match="reads versions 1 to 3"):
        verify(tmp_path / "good")


def test_a_changed_manifest_is_found(tmp_path):
    write(tmp_path / "good", weights="1234")
    change_manifest(tmp_path / "good", palm_version="0.0.1")
    with pytest.raises(CheckpointError, match="differs from what was written"):
        verify(tmp_path / "good")


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_the_manifest_is_found(tmp_path, bit):
    write(tmp_path / "good", weights="1234", 配置="中文")
    file = tmp_path / "good" / "manifest.json"
    written = file.read_bytes()
    for place in range(len(written)):
        file.write_bytes(written[:place] + bytes([written[place] ^ (1 << bit)]) + written[place + 1 :])
        with pytest.raises(CheckpointError):
            verify(tmp_path / "good")


def states_on_disk(home, work):
    """What a kill would leave in `home` before each change that `work` makes there, and at its end."""
    states, seen, active = home.with_name("states"), [], True

    def watch(event, arguments):
        changes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "ctypes.dlsym")
        if active and (changes or (event == "open" and "w" in str(arguments[1]))):
            seen.append(states / str(len(seen)))
            stop_and_copy(seen[-1])

    def stop_and_copy(to):
        nonlocal active
        active = False
        shutil.copytree(home, to)
        active = True

    sys.addaudithook(watch)
    work()
    active = False
    seen.append(home)
    return seen


@pytest.mark.parametrize("swaps", [True, False])
def test_a_kill_at_any_moment_leaves_the_old_folder_or_the_new_one(tmp_path, monkeypatch, swaps):
    home = tmp_path / "home"
    write(home / "model", weights="old")
    if not swaps:
        monkeypatch.setattr("palm.storage.atomic_directory.swap_names", lambda one, other: False)
    states = states_on_disk(home, lambda: write(home / "model", weights="new", labels="新"))
    assert len(states) > 5
    found = []
    for state in states:
        if swaps or (state / "model").exists():
            verify(state / "model")
            found.append((state / "model" / "weights").read_text())
    assert found == sorted(found, reverse=True)
    assert set(found) == {"old", "new"}
    write(states[3] / "model", weights="newer")
    assert [path.name for path in states[3].iterdir()] == ["model"], "what the killed process left is swept up"


def test_a_new_folder_that_cannot_take_its_place_leaves_the_old_one_there(tmp_path, monkeypatch):
    write(tmp_path / "model", weights="old")
    rename = Path.rename

    def refused(self, target):
        if ".writing-" in self.name:
            raise OSError(errno.EIO, "Input/output error", str(self))
        return rename(self, target)

    monkeypatch.setattr("palm.storage.atomic_directory.swap_names", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(CheckpointError, match=r"Input/output error\..* What was there before is untouched\."):
        write(tmp_path / "model", weights="新")
    verify(tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_kill_while_a_folder_is_removed_leaves_none_in_part(tmp_path):
    home = tmp_path / "home"
    write(home / "model", weights="old", labels="旧", more="1")
    for state in states_on_disk(home, lambda: remove_folder(home / "model")):
        if (state / "model").exists():
            verify(state / "model")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("stands_there", ["file", "folder", "link"])
def test_what_palm_did_not_write_is_not_replaced(tmp_path, stands_there):
    write(tmp_path / "sealed", weights="1")
    target = tmp_path / "target"
    if stands_there == "file":
        target.write_text("mine")
    elif stands_there == "folder":
        target.mkdir()
        (target / "thesis.tex").write_text("mine")
    else:
        target.symlink_to(tmp_path / "sealed")
    with pytest.raises(CheckpointError, match="PALM only replaces folders that it wrote"):
        write(target, weights="2")
    assert (tmp_path / "sealed" / "weights").read_text() == "1"
    assert target.is_symlink() or target.is_file() or (target / "thesis.tex").is_file()


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "target").mkdir()
    write(tmp_path / "target", weights="1")
    verify(tmp_path / "target")


def test_a_full_disk_says_what_was_needed_and_leaves_the_old_folder(tmp_path):
    write(tmp_path / "model", weights="old")
    with pytest.raises(CheckpointError, match=r"No space left on device\. It needs 3\.0 MB; [\d.]+ MB were free"):
        write_to_a_full_disk(tmp_path / "model")
    verify(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def write_to_a_full_disk(folder):
    with atomic_directory(folder, needs=3_000_000):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "weights"))


def test_a_manifest_that_points_outside_is_refused(tmp_path):
    write(tmp_path / "good", weights="1234")
    manifest = json.loads((tmp_path / "good" / "manifest.json").read_text())
    manifest["files"]["../secret"] = manifest["files"]["weights"]
    (tmp_path / "good" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="names a file outside its folder"):
        verify(tmp_path / "good")


def test_a_thread_leaves_alone_what_another_one_is_writing(tmp_path):
    """As two trainings of one process that put what they tokenised into one cache."""

    def tidy():
        remove_stale(tmp_path)
        write(tmp_path / "entry", weights="theirs")

    with atomic_directory(tmp_path / "entry") as aside:
        (aside / "weights").write_text("ours", encoding="utf-8")
        thread = threading.Thread(target=tidy)
        thread.start()
        thread.join()
        assert (tmp_path / "entry" / "weights").read_text(encoding="utf-8") == "theirs"
    verify(tmp_path / "entry")
    assert (tmp_path / "entry" / "weights").read_text(encoding="utf-8") == "ours"
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]
