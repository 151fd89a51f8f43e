"""The folder that `palm demo` writes."""

import pytest

from palm.cli.demo_folder import CONFIG, DATA, PACKAGED, write_demo
from palm.errors import ConfigError


def test_it_holds_the_packaged_files(tmp_path):
    assert write_demo(tmp_path / "demo", "zh")
    wanted = {file.relative_to(PACKAGED / "zh") for file in (PACKAGED / "zh").rglob("*") if file.is_file()}
    written = {file.relative_to(tmp_path / "demo") for file in (tmp_path / "demo").rglob("*") if file.is_file()}
    assert written == wanted
    assert {"train.tsv", "train.json"} <= {file.name for file in written}


def test_an_earlier_demo_is_left_as_its_user_changed_it(tmp_path):
    write_demo(tmp_path, "en")
    config = tmp_path / CONFIG
    config.write_text(config.read_text(encoding="utf-8") + "recompute: true\n", encoding="utf-8")
    assert not write_demo(tmp_path, "en")
    assert config.read_text(encoding="utf-8").endswith("recompute: true\n")


def test_other_files_are_not_mixed_with_it(tmp_path):
    write_demo(tmp_path / "en", "en")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    for folder in ("en", "mine"):
        with pytest.raises(ConfigError, match=r"Found other files\. Name another one with --folder"):
            write_demo(tmp_path / folder, "zh")


def test_a_folder_that_cannot_be_written_is_an_error_of_palm(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="Name another one with --folder"):
        write_demo(tmp_path / "file" / "demo", "en")


def test_half_a_demo_is_none(tmp_path):
    (tmp_path / DATA).mkdir()
    with pytest.raises(ConfigError, match="Found other files"):
        write_demo(tmp_path, "en")
