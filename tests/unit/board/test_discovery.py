import os

import pytest

from palm.board import discovery
from palm.board.discovery import find_run_folders


def run_in(folder, file="metrics.jsonl"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).touch()
    return folder


def test_runs_are_found_at_any_depth_with_their_stages(tmp_path):
    expected = [run_in(tmp_path / "a"), run_in(tmp_path / "b/实验/c"), run_in(tmp_path / "b/实验/c/stage1", "log.txt")]
    (tmp_path / "empty").mkdir()
    assert find_run_folders(tmp_path).folders == tuple(sorted(expected))


def test_the_folder_itself_may_be_a_run(tmp_path):
    assert find_run_folders(run_in(tmp_path)).folders == (tmp_path,)


@pytest.mark.parametrize("inside", ["earlier/1", "ckpt/step_3", "ranks", "infer_model", ".hidden", "encoder"])
def test_what_a_run_keeps_is_no_run(tmp_path, inside):
    run_in(run_in(tmp_path / "run") / inside)
    assert find_run_folders(tmp_path).folders == (tmp_path / "run",)


def test_links_are_not_followed(tmp_path):
    run_in(tmp_path / "outside/run")
    (tmp_path / "root").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "root/link")
    os.symlink(tmp_path / "root", tmp_path / "root/circle")
    assert find_run_folders(tmp_path / "root").folders == ()


def test_what_is_not_searched_is_said(tmp_path, monkeypatch):
    run_in(tmp_path / "/".join("abcdefghij"))
    assert find_run_folders(tmp_path).notes == ("Folders more than 8 levels below are not searched.",)
    for number in range(4):
        run_in(tmp_path / f"run{number}")
    monkeypatch.setattr(discovery, "MOST_RUNS", 3)
    found = find_run_folders(tmp_path)
    assert len(found.folders) == 3
    assert found.notes[0].startswith("Stopped at 3 runs in ")


def test_a_folder_that_is_gone_holds_nothing(tmp_path):
    assert find_run_folders(tmp_path / "gone").folders == ()
