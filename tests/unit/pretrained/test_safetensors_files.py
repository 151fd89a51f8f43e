"""Safetensors files, whole and in shards."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from palm.errors import CheckpointError
from palm.pretrained.safetensors_files import read_safetensors, read_shards


def test_float16_comes_as_it_is(tmp_path: Path):
    save_file({"w": np.array([[0.5, -2.0]], "float16")}, str(tmp_path / "a.safetensors"))

    assert np.array_equal(read_safetensors(tmp_path / "a.safetensors")["w"], np.array([[0.5, -2.0]]))


def test_bfloat16_is_widened(tmp_path: Path):
    bits = np.array([[0x3F80, 0xC040]], "uint16")  # 1.0 and -3.0
    header = json.dumps({
        "w": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
    }).encode()  # fmt: skip
    data = bits.tobytes() + np.array([0.25], "float32").tobytes()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)

    found = read_safetensors(tmp_path / "a.safetensors")
    assert np.array_equal(found["w"], np.array([[1.0, -3.0]], "float32"))
    assert np.array_equal(found["b"], np.array([0.25], "float32"))


def test_a_damaged_file_is_refused(tmp_path: Path):
    (tmp_path / "a.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00nonsense")

    with pytest.raises(CheckpointError, match=r"a\.safetensors: cannot be read as safetensors"):
        read_safetensors(tmp_path / "a.safetensors")


def shards(folder: Path, weight_map: dict[str, str]) -> Path:
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_shards_are_put_together(tmp_path: Path):
    save_file({"a": np.ones(2)}, str(tmp_path / "model-1.safetensors"))
    save_file({"b": np.zeros(3)}, str(tmp_path / "model-2.safetensors"))
    found = read_shards(shards(tmp_path, {"a": "model-1.safetensors", "b": "model-2.safetensors"}))

    assert {name: array.shape for name, array in found.items()} == {"a": (2,), "b": (3,)}


def test_a_missing_shard_is_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"index\.json: every .* no `model-1\.safetensors`, which holds `a`"):
        read_shards(shards(tmp_path, {"a": "model-1.safetensors"}))


def test_a_tensor_that_its_shard_lacks_is_named(tmp_path: Path):
    save_file({"a": np.ones(2)}, str(tmp_path / "model-1.safetensors"))
    save_file({"b": np.zeros(3)}, str(tmp_path / "model-2.safetensors"))
    index = shards(tmp_path, {"a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-1.safetensors"})
    with pytest.raises(CheckpointError, match=r"Found no `b` in `model-1\.safetensors` \(2 missing\)"):
        read_shards(index)


def test_a_pointer_of_git_lfs_is_called_one(tmp_path: Path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aaaa\nsize 17671552\n"
    (tmp_path / "model-1.safetensors").write_text(pointer)
    for read in (read_safetensors, lambda file: read_shards(shards(file.parent, {"a": file.name}))):
        with pytest.raises(CheckpointError, match=r"model-1\.safetensors: .* pointer that Git LFS .* `git lfs pull`"):
            read(tmp_path / "model-1.safetensors")


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/model.safetensors"])
def test_shards_elsewhere_are_refused(tmp_path: Path, name: str):
    with pytest.raises(CheckpointError, match="shards must be in the folder of their index"):
        read_shards(shards(tmp_path, {"a": name}))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}'])
def test_a_damaged_index_is_refused(tmp_path: Path, text: str):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(text)

    with pytest.raises(CheckpointError, match="cannot be read as an index of shards"):
        read_shards(index)
