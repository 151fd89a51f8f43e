"""Which file is taken for the weights."""

import tarfile
from pathlib import Path

import pytest

from palm.errors import CheckpointError
from palm.pretrained.find import WeightsFile, find_weights


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("names", "kind", "taken"),
    [
        (["model.safetensors", "pytorch_model.bin", "config.json"], "safetensors", "model.safetensors"),
        (["model.safetensors.index.json", "1.safetensors", "2.safetensors"], "shards", "model.safetensors.index.json"),
        (["minilm.safetensors"], "safetensors", "minilm.safetensors"),
        (["model_state.pdparams", "other.pdparams"], "pdparams", "model_state.pdparams"),
        (["ernie_v1.pdparams", "vocab.txt"], "pdparams", "ernie_v1.pdparams"),
        (["word_embedding", "pos_embedding"], "paddle1x", "."),
        (["__paddlepalm_word_embedding"], "paddle1x", "."),
        (["params/word_embedding", "bert_config.json", "vocab.txt"], "paddle1x", "params"),
    ],
)  # fmt: skip
def test_folders(tmp_path: Path, names: list[str], kind: str, taken: str):
    touch(tmp_path, *names)
    found = find_weights(tmp_path)

    assert (found.format, found.path) == (kind, tmp_path / taken)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.safetensors", "safetensors"), ("a.safetensors.index.json", "shards"), ("a.pdparams", "pdparams")],
)
def test_files(tmp_path: Path, name: str, kind: str):
    touch(tmp_path, name)

    assert find_weights(tmp_path / name).format == kind


@pytest.mark.parametrize("name", ["__palmmodel__", "bert-en.tar.gz"])
def test_archives(tmp_path: Path, name: str):
    touch(tmp_path, "word_embedding")
    with tarfile.open(tmp_path / name, "w:gz") as tar:
        tar.add(tmp_path / "word_embedding", "word_embedding")

    assert find_weights(tmp_path / name).format == "paddle1x archive"


def test_a_folder_with_palms_archive(tmp_path: Path):
    touch(tmp_path, "vocab.txt")
    with tarfile.open(tmp_path / "__palmmodel__", "w") as tar:
        tar.add(tmp_path / "vocab.txt", "word_embedding")

    assert find_weights(tmp_path).format == "paddle1x archive"


@pytest.mark.parametrize(
    ("names", "kind", "found"),
    [
        (["pytorch_model.bin", "training_args.bin", "config.json"], "torch", "pytorch_model.bin"),
        (["pytorch_model.bin.index.json", "pytorch_model-1.bin"], "torch shards", "pytorch_model.bin.index.json"),
        (["model.pt", "optimizer.pt", "rng_state.pth"], "torch", "model.pt"),
        (["model_state.pdparams", "pytorch_model.bin"], "pdparams", "model_state.pdparams"),
    ],
)
def test_files_of_pytorch_come_last(tmp_path: Path, names: list[str], kind: str, found: str):
    for name in names:
        (tmp_path / name).touch()
    assert find_weights(tmp_path) == WeightsFile(kind, tmp_path / found)


def test_two_files_of_pytorch_are_no_choice(tmp_path: Path):
    for name in ("a.bin", "b.bin", "training_args.bin"):
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match="no weights in this folder"):
        find_weights(tmp_path)


def test_a_missing_path(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"nothing: no pre-trained weights here\. Correct the path"):
        find_weights(tmp_path / "nothing")


def test_a_folder_without_weights(tmp_path: Path):
    touch(tmp_path, "config.json", "a.safetensors.bak", "one.pdparams", "two.pdparams")

    with pytest.raises(CheckpointError, match=r"no weights in this folder\. Looked for model\.safetensors"):
        find_weights(tmp_path)


def test_an_unknown_file(tmp_path: Path):
    (tmp_path / "weights.npz").write_bytes(b"PK")

    with pytest.raises(CheckpointError, match=r"weights\.npz: unknown format"):
        find_weights(tmp_path / "weights.npz")
