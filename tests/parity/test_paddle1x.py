"""PALM answers what PaddlePALM 0.2.1 answered under Paddle 1.8.5 with the same files of weights."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.parity import PalmModel, paddle1x_parity
from palm.pretrained.load import config_defaults_for, load_pretrained


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "models" / "paddle1x-bert-tiny"


def test_logits_of_the_original(folder: Path):
    figures = paddle1x_parity(folder)

    assert set(figures) == {"start logits", "end logits"}
    assert max(figures.values()) <= 1e-4


def test_every_parameter_is_found_and_the_head_is_listed(folder: Path):
    report = PalmModel(folder).report

    assert report.missing == ("pooler.dense.weight", "pooler.dense.bias")  # the original's MRC model has no pooler
    assert report.unexpected == ("mrqa/cls_squad_out_b", "mrqa/cls_squad_out_w")


def test_the_originals_epsilon_is_told(folder: Path):
    assert "layer_norm_eps" not in json.loads((folder / "config.json").read_text())
    assert config_defaults_for(folder) == config_defaults_for(folder / "params") == {"layer_norm_eps": 1e-6}


def test_the_published_archives_hold_the_same(folder: Path, tmp_path: Path):
    with tarfile.open(tmp_path / "__palmmodel__", "w") as archive:
        for file in sorted((folder / "params").iterdir()):
            if file.is_file():
                member = tarfile.TarInfo(file.name)
                member.size = file.stat().st_size
                archive.addfile(member, io.BytesIO(file.read_bytes()))

    one, other = load_pretrained(tmp_path), load_pretrained(folder)
    assert set(one.tensors) == set(other.tensors)
    assert all(np.array_equal(one.tensors[name], array) for name, array in other.tensors.items())
