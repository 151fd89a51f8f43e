"""In bfloat16 on a CPU with tiles the encoder computes the tokens that exist, and nothing else."""

import numpy as np
import paddle
import pytest

from palm.backbone.bert import Bert
from palm.kernels.fused import bf16_layer
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.products import bf16_products

try:
    load_kernels()
except KernelsUnavailableError as reason:
    pytest.skip(f"no fused kernels: {reason}", allow_module_level=True)

CONFIG = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


def batch(padding: int) -> dict[str, paddle.Tensor]:
    ids = np.zeros((2, 9 + padding), "int64")
    mask = np.zeros_like(ids, "float32")
    for row, length in enumerate((9, 4)):
        ids[row, :length] = 1 + np.arange(length)
        mask[row, :length] = 1
    positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    names = {"token_ids": ids, "position_ids": positions, "segment_ids": np.zeros_like(ids), "input_mask": mask}
    return {name: paddle.to_tensor(np.ascontiguousarray(array)) for name, array in names.items()}


def test_padding_costs_nothing_and_changes_nothing(monkeypatch):
    monkeypatch.setattr(bf16_layer, "has_tiles", lambda: True)
    paddle.seed(0)
    layers = Bert.from_config(CONFIG).build_layers()
    layers.eval()
    rows = []
    compute = bf16_layer.compute_packed_layer

    def counted(hidden, weights, **others):
        rows.append(hidden.shape[0])
        return compute(hidden, weights, **others)

    monkeypatch.setattr(bf16_layer, "compute_packed_layer", counted)
    with bf16_products():
        narrow, wide = layers(batch(0)), layers(batch(23))
    assert rows == [13] * 4
    np.testing.assert_array_equal(narrow["encoder_outputs"].numpy(), wide["encoder_outputs"].numpy()[:, :9])
    np.testing.assert_array_equal(narrow["sentence_embedding"].numpy(), wide["sentence_embedding"].numpy())
    assert not wide["encoder_outputs"].numpy()[1, 4:].any()
    float32 = layers(batch(0))["encoder_outputs"].numpy()
    assert rows == [13] * 4  # float32 takes the other way
    np.testing.assert_allclose(narrow["encoder_outputs"].numpy()[0], float32[0], atol=3e-2)
