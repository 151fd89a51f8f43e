"""examples/spans: generated texts, training, predictions and the commands of its README, in processes of their own."""

import json
import sys
from pathlib import Path

import pytest

from tests.integration.example_copies import copy_of, run


def rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, after `bash run.sh`."""
    copied = copy_of("spans", tmp_path_factory.mktemp("repository"))
    (copied / "said.txt").write_text(run(copied, "bash", "run.sh"), encoding="utf-8")
    return copied


def test_what_is_printed_is_what_the_readme_shows(folder: Path) -> None:
    said = (folder / "said.txt").read_text(encoding="utf-8")
    for name in ("README.md", "README_zh.md"):
        blocks = (folder / name).read_text(encoding="utf-8").split("```\n")
        shown = next(block for block in blocks if "—works_at→" in block)
        assert shown in said
    scores = dict(part.split() for part in said.splitlines()[-1].partition(": ")[2].split(", "))
    assert float(scores["span_f1"]) > 0.95
    assert float(scores["relation_f1"]) > 0.9


def test_the_data_are_as_doccano_exports_them_and_no_text_is_in_two_files(folder: Path) -> None:
    files = {split: rows(folder / "data" / f"{split}.jsonl") for split in ("train", "dev", "test")}
    assert {split: len(found) for split, found in files.items()} == {"train": 320, "dev": 40, "test": 40}
    texts = [row["text"] for found in files.values() for row in found]
    assert len(set(texts)) == 400
    assert sum(text.isascii() for text in texts) == 200, "half English, half Chinese"
    for row in files["train"]:
        named = {
            each["id"]: (each["label"], row["text"][each["start_offset"] : each["end_offset"]])
            for each in row["entities"]
        }
        (person, _), (organization, place) = named[1], named[2]
        assert (person, organization) == ("PERSON", "ORGANIZATION")
        city = next(named[one["to_id"]] for one in row["relations"] if one["type"] == "located_in")
        assert city[0] == "CITY"
        assert city[1] in place


def test_a_chinese_text_is_predicted_by_the_command_of_the_readme(folder: Path) -> None:
    text = "张伟在上海机场工作。"
    said = run(folder, sys.executable, "-m", "palm", "pred", "output_model/entities", text)
    found = json.loads(said.splitlines()[-1])
    assert [span["text"] for span in found["spans"]] == ["张伟", "上海机场", "上海"]
    named = {(one["head"], one["type"], one["tail"]) for one in found["relations"]}
    assert named == {(0, "works_at", 1), (1, "located_in", 2)}
