"""What the folder of an encoder says is read or refused by name, by `palm check` and `palm train`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from tests.integration import tiny
from tests.integration.small_encoder import write_small_encoder
from tests.palm_command import palm_here

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:aaaa53aa5117\nsize 17671552\n"


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A folder with a small BERT whose config.json names no type."""
    write_small_encoder(tmp_path / "m", Path(tiny.write_vocab(tmp_path)))
    return tmp_path / "m"


def palm(encoder: Path, command: str = "train", *flags: str, task: str = "cls", **keys: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command on a configuration over the encoder."""
    folder = encoder.parent
    made = {"cls": tiny.classification_task, "match": tiny.match_task, "mlm": tiny.mlm_task}[task](folder, "t")
    config = {
        "tasks": {"t": made}, "pretrain_model_path": str(encoder), "save_path": str(folder / "out"), "max_seq_len": 32,
        "batch_size": 8, "max_steps": 1, "use_gpu": False, **keys,
    }  # fmt: skip
    (folder / "c.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    done = palm_here(command, folder / "c.yaml", *flags)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def assert_refused(encoder: Path, *words: str, **keys: Any) -> None:
    """Both commands refuse it with the same words, and nothing is trained."""
    for command in ("check", "train"):
        code, output, error = palm(encoder, command, **keys)
        assert code == 2, output
        for word in words:
            assert word in error
    assert not (encoder.parent / "out").exists()


def write_config(encoder: Path, **changes: object) -> None:
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    (encoder / "config.json").write_text(json.dumps({**config, **changes}, indent=1), encoding="utf-8")


def test_relative_positions_are_never_computed_as_absolute_ones(encoder: Path) -> None:
    write_config(encoder, model_type="bert", position_embedding_type="relative_key")
    assert_refused(
        encoder, "config.json:10: ", "position_embedding_type: `absolute`. Found `relative_key`", backbone="bert"
    )


def test_a_backbone_file_elsewhere_does_not_hide_what_the_folder_says(encoder: Path) -> None:
    elsewhere = encoder.parent / "sizes.json"
    elsewhere.write_bytes((encoder / "config.json").read_bytes())
    write_config(encoder, model_type="bert", position_embedding_type="relative_key_query")
    assert_refused(encoder, "Found `relative_key_query`", backbone_config_path=str(elsewhere))


def test_the_architecture_counts_where_the_type_is_missing(encoder: Path) -> None:
    write_config(encoder, architectures=["GPT2LMHeadModel"])
    assert_refused(encoder, "PALM reads encoders of these types: ", "Found architectures `['GPT2LMHeadModel']`")
    write_config(encoder, architectures=["ErnieModel"])
    code, output, _ = palm(encoder, "check", "--explain")
    assert code == 0
    assert "1 task(s) on ernie" in output
    assert "config.json:9" in next(line for line in output.splitlines() if line.startswith("backbone "))


def test_a_backbone_that_contradicts_the_folder_is_refused(encoder: Path) -> None:
    write_config(encoder, model_type="ernie", use_task_id=True)
    assert_refused(encoder, "use_task_id: `False`. Found `True`", backbone="bert")
    assert palm(encoder)[0] == 0


def test_a_pair_task_needs_two_segments(encoder: Path) -> None:
    weights = load_file(encoder / "model.safetensors")
    name = "embeddings.token_type_embeddings.weight"
    save_file({**weights, name: weights[name][:1]}, encoder / "model.safetensors")
    write_config(encoder, type_vocab_size=1)
    assert_refused(encoder, "reader `match` needs an encoder with 2 segments (type_vocab_size)", task="match")
    assert palm(encoder)[0] == 0


def write_shards(encoder: Path, *, without: str = "") -> None:
    """Two shards and their index, which names the tensor `without`, too."""
    weights = load_file(encoder / "model.safetensors")
    (encoder / "model.safetensors").unlink()
    place = {name: f"model-0000{1 + (number % 2)}-of-00002.safetensors" for number, name in enumerate(sorted(weights))}
    (encoder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": place}), encoding="utf-8")
    for shard in set(place.values()):
        held = {name: weights[name] for name in place if place[name] == shard and name != without}
        save_file(held, encoder / shard)


def test_a_tensor_that_its_shard_lacks_is_never_drawn_at_random(encoder: Path) -> None:
    write_shards(encoder, without="encoder.layer.1.output.dense.weight")
    assert_refused(encoder, "Found no `encoder.layer.1.output.dense.weight` in `model-0000", "Download it again")


def test_a_shard_that_is_missing_is_named(encoder: Path) -> None:
    write_shards(encoder)
    assert palm(encoder)[0] == 0
    (encoder / "model-00002-of-00002.safetensors").unlink()
    for command in ("check", "train"):
        code, _, error = palm(encoder, command)
        assert code == 2
        assert "Found no `model-00002-of-00002.safetensors`, which holds `embeddings." in error


@pytest.mark.parametrize("part", ["encoder.layer.1.attention.self.key.bias", "embeddings.position_embeddings.weight"])
def test_weights_that_lack_a_part_of_the_encoder_are_refused(encoder: Path, part: str) -> None:
    weights = load_file(encoder / "model.safetensors")
    save_file({name: array for name, array in weights.items() if name != part}, encoder / "model.safetensors")
    code, _, error = palm(encoder)
    assert code == 2
    assert "pre-trained weights hold the embeddings and every layer of the encoder. Found no `" in error


def test_fewer_layers_than_the_config_says_are_refused(encoder: Path) -> None:
    code, _, error = palm(encoder, num_hidden_layers=3)
    assert code == 2
    assert "Found no `encoder.layers.2.attention.qkv.weight` and 11 others" in error
    assert palm(encoder, num_hidden_layers=1)[0] == 0


def test_a_fresh_pooler_and_a_fresh_head_are_said(encoder: Path) -> None:
    weights = load_file(encoder / "model.safetensors")
    save_file({name: array for name, array in weights.items() if "pooler" not in name}, encoder / "model.safetensors")
    code, output, _ = palm(encoder, task="mlm")
    assert code == 0
    assert "  2 missing, newly initialized: pooler.dense.bias, pooler.dense.weight" in output
    assert "  head t: newly initialized, since the weights have none." in output


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.txt"])
def test_a_pointer_of_git_lfs_is_called_one(encoder: Path, name: str) -> None:
    (encoder / name).write_text(POINTER, encoding="utf-8")
    assert_refused(encoder, f"{name}: the file itself is needed. Found the pointer", "Run `git lfs pull`")


def test_weights_in_half_precision_are_read(encoder: Path) -> None:
    weights = load_file(encoder / "model.safetensors")
    save_file({name: array.astype(np.float16) for name, array in weights.items()}, encoder / "model.safetensors")
    code, output, _ = palm(encoder)
    assert code == 0
    assert "(Hugging Face, float16): 31 parameters loaded" in output
    kept = {name: (array.view(np.uint32) & 0xFFFF0000).view(np.float32) for name, array in weights.items()}
    save_file(kept, encoder / "model.safetensors")
    assert "(Hugging Face, bfloat16)" in palm(encoder)[1]
