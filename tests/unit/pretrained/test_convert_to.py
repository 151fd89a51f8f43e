"""`palm convert` without PyTorch: there and back bit for bit, and refusals; tests/parity compares with transformers."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import palm
from palm.cli.main import main
from tests.integration import tiny
from tests.integration.small_encoder import HIDDEN, write_small_encoder


@pytest.fixture
def source(tmp_path, repository):
    write_small_encoder(tmp_path / "hf", repository / "data" / "vocab" / "vocab_zh.txt")
    return tmp_path / "hf"


def convert(*words):
    return main(["convert", *(str(word) for word in words)])


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_there_and_back_bit_for_bit_with_tensors_that_palm_does_not_know(source, tmp_path, prefix):
    tensors = {prefix + name: array for name, array in load_file(source / "model.safetensors").items()}
    tensors |= {"embeddings.position_ids": np.arange(3), "cls.seq_relationship.weight": np.ones((2, HIDDEN), "float32")}
    save_file(tensors, source / "model.safetensors")
    assert convert(source, tmp_path / "palm") == 0
    assert convert(tmp_path / "palm", tmp_path / "again") == 0

    back = load_file(tmp_path / "again" / "model.safetensors")
    assert {name: (array.dtype.str, array.tobytes()) for name, array in back.items()} == {
        name: (array.dtype.str, array.tobytes()) for name, array in tensors.items()
    }
    for name in ("config.json", "vocab.txt"):
        assert (tmp_path / "again" / name).read_bytes() == (source / name).read_bytes()


def test_palms_names_and_layout(source, tmp_path):
    before = load_file(source / "model.safetensors")
    convert(source, tmp_path / "palm")
    after = load_file(tmp_path / "palm" / "model.safetensors")

    parts = [before[f"encoder.layer.1.attention.self.{part}.weight"].T for part in ("query", "key", "value")]
    np.testing.assert_array_equal(after["encoder.layers.1.attention.qkv.weight"], np.concatenate(parts, axis=1))
    np.testing.assert_array_equal(
        after["encoder.layers.0.ffn.output.weight"], before["encoder.layer.0.output.dense.weight"].T
    )
    assert json.loads((tmp_path / "palm" / "config.json").read_text(encoding="utf-8"))["palm_backbone"] == "bert"


def test_a_palm_folder_without_an_origin_gets_transformers_own_names(source, tmp_path):
    convert(source, tmp_path / "palm")
    for file in (tmp_path / "palm").glob("hugging_face.*"):
        file.unlink()
    (tmp_path / "palm" / "manifest.json").unlink()
    assert convert(tmp_path / "palm", tmp_path / "again") == 0

    before, after = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "again"))
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    config = json.loads((tmp_path / "again" / "config.json").read_text(encoding="utf-8"))
    assert (config["model_type"], config["architectures"]) == ("bert", ["BertModel"])


def test_a_damaged_palm_folder_is_refused(source, tmp_path, capsys):
    convert(source, tmp_path / "palm")
    (tmp_path / "palm" / "vocab.txt").write_text("[PAD]\n", encoding="utf-8")
    assert convert(tmp_path / "palm", tmp_path / "again") == 2
    assert "vocab.txt" in capsys.readouterr().err


def test_weights_without_their_sizes_are_refused(source, tmp_path, capsys):
    (source / "config.json").unlink()
    assert convert(source, tmp_path / "palm") == 2
    assert "an encoder needs a config.json next to its weights" in capsys.readouterr().err


def test_nothing_there(tmp_path, capsys):
    assert convert(tmp_path / "absent", tmp_path / "palm") == 2
    assert "no pre-trained weights here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keys", "architecture"),
    [({}, "BertForSequenceClassification"), ({"pooling": "mean"}, "BertModel"), ({"layer": 0}, "BertModel")],
)
def test_a_head_that_transformers_would_put_elsewhere_stays_behind(tmp_path, capsys, keys, architecture):
    task = {**tiny.classification_task(tmp_path, "water"), **keys}
    palm.Controller(tiny.config(tmp_path, {"water": task}, max_steps=1), overrides=[]).train()
    capsys.readouterr()
    assert convert(tmp_path / "out" / "water" / "infer_model", tmp_path / "hf") == 0

    said = capsys.readouterr().out
    config = json.loads((tmp_path / "hf" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == [architecture]
    assert ("head.linear.weight" in said) == (architecture == "BertModel")
    assert ("and its head (cls)" in said) == (architecture != "BertModel")
