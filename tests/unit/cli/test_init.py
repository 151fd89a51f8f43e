"""The project that `palm init` writes is complete, passes `palm check`, and overwrites nothing."""

import csv
import json
from pathlib import Path

import pytest

from palm.cli.main import main

FILES = {
    "config.yaml",
    "tasks/intent.yaml",
    "tasks/same.yaml",
    "data/intent.train.tsv",
    "data/intent.dev.tsv",
    "data/same.train.tsv",
    "data/same.dev.tsv",
    "backbone.json",
    "vocab.txt",
    "README.md",
    ".gitignore",
}
LANGUAGES = pytest.mark.parametrize("language", [[], ["--for_cn"], ["--for-cn"]])


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@LANGUAGES
def test_the_project_passes_palm_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], language: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mein_projekt", *language]) == 0
    assert "palm train config.yaml --task_dir tasks" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "mein_projekt")
    assert main(["check", "config.yaml", "--task_dir", "tasks"]) == 0
    assert capsys.readouterr().err == ""


@LANGUAGES
def test_every_file_is_there(tmp_path: Path, language: list[str]) -> None:
    assert main(["init", str(tmp_path / "项目"), *language]) == 0
    found = {
        file.relative_to(tmp_path / "项目").as_posix() for file in (tmp_path / "项目").rglob("*") if file.is_file()
    }
    assert found == FILES


@LANGUAGES
def test_the_data_can_be_learnt_and_tested_on(tmp_path: Path, language: list[str]) -> None:
    main(["init", str(tmp_path / "p"), *language])
    train, dev = (rows_of(tmp_path / "p/data" / f"intent.{part}.tsv") for part in ("train", "dev"))
    assert len({row["label"] for row in train}) == 3
    assert {row["label"] for row in dev} == {row["label"] for row in train}
    assert not {row["text_a"] for row in dev} & {row["text_a"] for row in train}
    pairs = rows_of(tmp_path / "p/data/same.train.tsv")
    intent_of = {row["text_a"]: row["label"] for row in train}
    assert {row["label"] for row in pairs} == {"0", "1"}
    for row in pairs:
        assert (intent_of[row["text_a"]] == intent_of[row["text_b"]]) == (row["label"] == "1")
        assert row["text_a"] != row["text_b"]


@LANGUAGES
def test_the_vocabulary_covers_the_data_and_fits_the_backbone(tmp_path: Path, language: list[str]) -> None:
    main(["init", str(tmp_path / "p"), *language])
    vocabulary = (tmp_path / "p/vocab.txt").read_text(encoding="utf-8").splitlines()
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert len(set(vocabulary)) == len(vocabulary)
    assert json.loads((tmp_path / "p/backbone.json").read_text(encoding="utf-8"))["vocab_size"] == len(vocabulary)
    texts = [row["text_a"] for part in ("train", "dev") for row in rows_of(tmp_path / "p/data" / f"intent.{part}.tsv")]
    words = {word for text in texts for word in (text if language else text.split())}
    assert words <= set(vocabulary)


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("mine", encoding="utf-8")
    assert main(["init", str(tmp_path)]) == 2
    assert "a new project needs an empty folder" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "mine"


def test_a_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert main(["init", str(tmp_path / "file")]) == 2
    assert f"{tmp_path / 'file'}: a new project is written into a folder." in capsys.readouterr().err


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path)]) == 0
    assert (tmp_path / "config.yaml").is_file()
