"""Checkpoints with the names and files of public ones go through every command, as benchmarks/formats tries them."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: pip install .[parity]")
pytest.importorskip("transformers", reason="needs transformers: pip install .[parity]")

from benchmarks.formats.architectures import Tried, markdown, try_checkpoint
from benchmarks.formats.checkpoints import CHECKPOINTS

# A vocab.txt alone with weights older than PyTorch 1.6; Unigram with ids of its own; spm.model.
QUICK = {"hfl/chinese-roberta-wwm-ext": "", "almanach/camembert-base": "", "microsoft/deberta-v3-base": "sentencepiece"}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
@pytest.mark.filterwarnings("ignore")  # of packages that write the files
def test_a_public_checkpoint(name: str, tmp_path: Path) -> None:
    if QUICK[name]:
        pytest.importorskip(QUICK[name], reason="needs sentencepiece: pip install .[parity]")
    made = next(each for each in CHECKPOINTS if each.name == name)
    found = try_checkpoint(made, tmp_path / "run")
    assert found.as_expected, (found.failed, found.message, found.difference)
    assert f"| yes | the same bits | {found.difference:.1e} |" in markdown([found])
    # What a run exports needs nothing of the encoder's folder.
    exported = tmp_path / "run" / "out" / "pairs" / "infer_model"
    assert (exported / "tokenizer.json").is_file() != (exported / "vocab.txt").is_file()
    settings = json.loads((exported / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert settings.get("do_lower_case", False) == (name == "hfl/chinese-roberta-wwm-ext")


def test_the_table_names_what_failed() -> None:
    made = CHECKPOINTS[0]
    table = markdown([Tried(made, "vocab.txt", "train", "no memory"), Tried(made, "vocab.txt", difference=0.5)])
    assert "| vocab.txt | **train failed**: no memory |  |  |" in table
    assert table.endswith(
        "2 checkpoints: 0 ran through and compute what transformers computes, within 1e-05; 2 failed."
    )


def test_at_least_fourteen_are_tried() -> None:
    assert len({made.name for made in CHECKPOINTS}) == len(CHECKPOINTS) >= 14
