import json

import pytest

from palm.errors import CheckpointError
from palm.schema.run_description import RunDescription, TaskDescription, read_description


def test_a_description_comes_back(tmp_path):
    task = TaskDescription(asked=0.5, expected_steps=10, steps_per_epoch=4)
    written = RunDescription(palm_version="1", started="2026-01-01T00:00:00+00:00", tasks={"意图": task})
    (tmp_path / "run.json").write_text(written.model_dump_json(), encoding="utf-8")
    assert read_description(tmp_path) == written


def test_a_run_without_one(tmp_path):
    assert read_description(tmp_path) is None


def test_what_a_later_version_adds_is_ignored(tmp_path):
    content = {"palm_version": "9", "started": "now", "later": 1}
    (tmp_path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_description(tmp_path) == RunDescription(palm_version="9", started="now")


@pytest.mark.parametrize(("text", "found"), [("{", "run.json"), ('{"palm_version": "1"}', "Found `started`: ")])
def test_a_damaged_one_is_named(tmp_path, text, found):
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=found):
        read_description(tmp_path)
