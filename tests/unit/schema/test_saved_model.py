"""The description of an inference model is read part by part, each of its own type."""

import json
from pathlib import Path
from typing import Any

import pytest

from palm.errors import CheckpointError
from palm.schema.fields import ReaderFields
from palm.schema.saved_model import read_json_object, read_saved_model, validate_keys
from palm.storage.layout import FORMAT_VERSION
from tests.attacks import altered

SAVED: dict[str, Any] = {
    "format_version": FORMAT_VERSION, "palm_version": "1.0", "task": "意图", "settings": {"layer": -1},
    "labels": ["a", "b"],
    "reader": {"name": "cls", "config": {}}, "backbone": {"name": "bert", "config": {}},
    "paradigm": {"name": "cls", "config": {}},
}  # fmt: skip


def written(folder: Path, content: object) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_a_right_one(tmp_path: Path) -> None:
    saved = read_saved_model(written(tmp_path, SAVED))
    assert (saved.task, saved.labels, saved.reader.name) == ("意图", ["a", "b"], "cls")
    older = {key: value for key, value in SAVED.items() if key != "palm_version"} | {
        "format_version": 1,
        "labels": None,
    }
    assert read_saved_model(written(tmp_path, older)).labels is None


def test_each_label_has_its_words(tmp_path: Path) -> None:
    words = [["汽车", "车"], ["culture"]]
    saved = read_saved_model(written(tmp_path, {**SAVED, "label_words": words}))
    assert saved.label_words == saved.as_run().tasks["意图"].label_words == words
    for wrong in ([["汽车"]], [["汽车"], []], [["汽车"], ["a"], ["b"]]):
        with pytest.raises(CheckpointError, match="`label_words`: each label has one word or more"):
            read_saved_model(written(tmp_path, {**SAVED, "label_words": wrong}))


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    wrong = {**SAVED, "task": 7, "reader": {"config": []}}
    with pytest.raises(CheckpointError) as caught:
        read_saved_model(written(tmp_path, wrong))
    assert [line.partition("config.json: ")[2] for line in str(caught.value).splitlines()] == [
        "`task`: should be a valid string. Found `7`.",
        "`reader.name` is missing.",
        "`reader.config`: should be a valid dictionary. Found `[]`. Export the model again, or use another copy.",
    ]


def test_a_later_version_is_named_whatever_else_it_holds(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"format version `{FORMAT_VERSION + 1}`.*Use a newer PALM"):
        read_saved_model(written(tmp_path, {"format_version": FORMAT_VERSION + 1}))


def test_whatever_it_says_it_is_read_or_refused(tmp_path: Path) -> None:
    refused = 0
    for name, changed in altered(SAVED):
        try:
            saved = read_saved_model(written(tmp_path, changed))
        except CheckpointError as error:
            refused += str(error).startswith(str(tmp_path))
        else:
            assert isinstance(saved.settings, dict), name
    assert refused > 200


def test_keys_are_as_strict_as_a_configuration(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "config.json"
    found = validate_keys(ReaderFields, {"max_seq_len": "32", "unknown": 1}, file=file, part="reader")
    assert found.max_seq_len == 32
    assert "config.json: `reader` has no key `unknown`; it is ignored." in caplog.text
    with pytest.raises(
        CheckpointError, match=r"config\.json: reader\.max_seq_len: max_seq_len is a whole number, at least"
    ):
        validate_keys(ReaderFields, {"max_seq_len": True}, file=file, part="reader")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b"[]", b"[" * 100_000])
def test_what_is_no_object(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.json: a JSON object is expected"):
        read_json_object(tmp_path / "x.json")
    with pytest.raises(CheckpointError, match=r"y\.json: a JSON object is expected\. Found: No such file"):
        read_json_object(tmp_path / "y.json")
