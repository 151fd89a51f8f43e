import json

import pytest

from palm.errors import CheckpointError
from palm.folders import sealed_folder, verify


def write(folder, **files):
    with sealed_folder(folder) as aside:
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
    with sealed_folder(folder) as aside:
        (aside / "weights").write_text("half")
        _ = 1 / 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "weights").write_text("1235"), "weights: differs from what was written"),
        (lambda folder: (folder / "weights").write_text("12345"), "weights: differs from what was written"),
        (lambda folder: (folder / "weights").unlink(), "weights: listed in manifest.json but missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: a folder that PALM wrote holds this file"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json: is no manifest of PALM's"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json: is no manifest of PALM's"),
    ],
)
def test_damage_is_found(tmp_path, damage, message):
    write(tmp_path / "good", weights="1234")
    damage(tmp_path / "good")
    with pytest.raises(CheckpointError, match=message):
        verify(tmp_path / "good")


def test_another_format_version_is_refused_by_number(tmp_path):
    write(tmp_path / "good", weights="1234")
    manifest = json.loads((tmp_path / "good" / "manifest.json").read_text())
    (tmp_path / "good" / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))
    with pytest.raises(CheckpointError, match="format version 99; this PALM reads version 1"):
        verify(tmp_path / "good")


def test_a_manifest_that_points_outside_is_refused(tmp_path):
    write(tmp_path / "good", weights="1234")
    manifest = json.loads((tmp_path / "good" / "manifest.json").read_text())
    manifest["files"]["../secret"] = manifest["files"]["weights"]
    (tmp_path / "good" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="names a file outside the folder"):
        verify(tmp_path / "good")
