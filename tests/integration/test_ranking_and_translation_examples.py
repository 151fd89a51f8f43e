"""examples/ranking and examples/translation: data, training and what their READMEs show, in processes of their own."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.integration.example_copies import copy_of, run


@pytest.fixture(scope="module")
def ranking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example after `bash run.sh`."""
    folder = copy_of("ranking", tmp_path_factory.mktemp("ranking"))
    (folder / "said.txt").write_text(run(folder, "bash", "run.sh"), encoding="utf-8")
    return folder


def test_what_is_printed_is_what_the_readme_shows(ranking: Path) -> None:
    said = (ranking / "said.txt").read_text(encoding="utf-8")
    for name in ("README.md", "README_zh.md"):
        blocks = (ranking / name).read_text(encoding="utf-8").split("```\n")
        assert next(block for block in blocks if "(relevance 3)" in block) in said
    scores = dict(part.split() for part in said.splitlines()[-1].partition(": ")[2].split(", "))
    assert float(scores["ndcg"]) > 0.95, "an order by chance has about 0.7"


def test_lists_are_graded_and_none_is_in_two_files(ranking: Path) -> None:
    files = {
        split: [json.loads(line) for line in (ranking / "data" / f"{split}.jsonl").read_text("utf-8").splitlines()]
        for split in ("train", "dev", "test")
    }
    assert {split: len(rows) for split, rows in files.items()} == {"train": 1200, "dev": 60, "test": 60}
    rows = [row for found in files.values() for row in found]
    assert len({json.dumps(row) for row in rows}) == len(rows)
    assert sum(row["text_a"].isascii() for row in rows) == len(rows) // 2
    assert all(sorted(row["relevance"]) == [0, 0, 1, 2, 3] for row in rows)


def test_a_chinese_list_is_ranked_by_the_command_of_the_readme(ranking: Path) -> None:
    words = re.search(r'^palm pred (\S+) "(.+)" "(.+)"$', (ranking / "README_zh.md").read_text("utf-8"), re.MULTILINE)
    assert words
    found = json.loads(run(ranking, sys.executable, "-m", "palm", "pred", *words.groups()).splitlines()[-1])
    assert found["choice"] == "早餐不错。"


def test_a_corpus_in_pairs_of_files_is_trained_on_and_translated(tmp_path: Path) -> None:
    folder = copy_of("translation", tmp_path)
    said = run(folder, "bash", "run.sh", "--num_epochs", "0.1", "--num_beams", "1")
    data = folder / "data"
    names = {f"{split}.{language}" for split in ("train", "dev", "test") for language in ("en", "zh")}
    assert {file.name for file in data.iterdir()} == names
    lines = said.splitlines()
    shown = lines.index("    gold     " + (data / "test.zh").read_text("utf-8").splitlines()[0])
    assert lines[shown - 2] == (data / "test.en").read_text("utf-8").splitlines()[0]
    assert lines[-1].startswith("Over the test files: loss ")
