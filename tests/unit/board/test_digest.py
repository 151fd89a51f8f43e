import os
import sys

import pytest

from palm.board.digest import RunDigest, readable
from palm.storage.run_lock import exclusive_run_lock
from tests.unit.board.written import dev_line, step_line, write


def test_an_entry_tells_how_far_a_run_is_and_its_best_evaluations(tmp_path):
    lines = [step_line(1), dev_line(1, accuracy=0.5, loss=1.0), dev_line(2, accuracy=0.75), dev_line(3, accuracy=0.7)]
    write(tmp_path / "甲", *lines, step_line(4, task="标签"))
    digest = RunDigest(tmp_path / "甲", tmp_path)
    assert digest.update()
    assert not digest.update()
    content = digest.content
    assert (content["name"], content["step"], content["tasks"]) == ("甲", 4, ["intent", "标签"])
    assert content["best"] == [{"task": "intent", "metric": "accuracy", "value": 0.75}]


def test_an_entry_follows_its_run(tmp_path):
    write(tmp_path, step_line(1))
    digest = RunDigest(tmp_path, tmp_path)
    digest.update()
    assert digest.state == "unknown"
    write(tmp_path, step_line(2), step_line(3), mode="a")
    assert digest.update()
    assert digest.content["step"] == 3
    with exclusive_run_lock(tmp_path):
        assert digest.update()
        assert digest.state == "training"
    write(tmp_path, {"split": "run_model", "global_step": 3, "of_step": 3, "tasks": ["intent"]}, mode="a")
    assert digest.update()
    assert digest.state == "ended"


def test_a_resumed_run_goes_back(tmp_path):
    write(tmp_path, *(step_line(step) for step in range(1, 9)))
    digest = RunDigest(tmp_path, tmp_path)
    digest.update()
    aside = write(tmp_path / "aside", step_line(1), step_line(2)) / "metrics.jsonl"
    aside.replace(tmp_path / "metrics.jsonl")
    assert digest.update()
    assert digest.content["step"] == 2


def test_steps_are_not_parsed_but_the_last_one(tmp_path, monkeypatch):
    write(tmp_path, *(step_line(step) for step in range(1, 1000)))
    digest = RunDigest(tmp_path, tmp_path)
    digest.update()
    assert digest.content["step"] == 999
    assert len(digest._followed.curves.tasks["intent"].loss) == 1


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_name_that_is_no_text_is_shown(tmp_path):
    folder = tmp_path / os.fsdecode(b"run\xff")
    write(folder, step_line(1))
    digest = RunDigest(folder, tmp_path)
    digest.update()
    assert digest.name == "run\ufffd"
    assert readable(folder).encode()


def test_keys_tell_runs_apart_and_hold_no_path(tmp_path):
    keys = {RunDigest(tmp_path / name, tmp_path).key for name in ("a", "b", "a/b")}
    assert len(keys) == 3
    assert all(key.isalnum() for key in keys)
