"""The encoder computes the tokens that exist, and nothing else: in bfloat16 by tiles, in float32 by MKL."""

from contextlib import nullcontext

import numpy as np
import paddle
import pytest

from palm.backbone.bert import Bert
from palm.kernels.fused import bf16_layer, float32_layer
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


@pytest.mark.parametrize("kernel", [float32_layer, bf16_layer])
def test_padding_costs_nothing_and_changes_nothing(kernel, monkeypatch):
    monkeypatch.setattr(bf16_layer, "layer_is_fast", lambda: True)
    if not float32_layer.has_products():
        pytest.skip("Paddle computes without MKL")
    paddle.seed(0)
    layers = Bert.from_config(CONFIG).build_layers()
    layers.eval()
    rows = []
    compute = kernel.compute_packed_layer

    def counted(hidden, weights, **others):
        rows.append(hidden.shape[0])
        return compute(hidden, weights, **others)

    monkeypatch.setattr(kernel, "compute_packed_layer", counted)
    with bf16_products() if kernel is bf16_layer else nullcontext():
        narrow, wide = layers(batch(0)), layers(batch(23))
    assert rows == [13] * 4
    np.testing.assert_array_equal(narrow["encoder_outputs"].numpy(), wide["encoder_outputs"].numpy()[:, :9])
    np.testing.assert_array_equal(narrow["sentence_embedding"].numpy(), wide["sentence_embedding"].numpy())
    assert not wide["encoder_outputs"].numpy()[1, 4:].any()
    plain = Bert.from_config(CONFIG | {"kernels": "plain"}).build_layers()
    plain.set_state_dict(layers.state_dict())
    plain.eval()
    expected = plain(batch(0))["encoder_outputs"].numpy()
    limit = 3e-2 if kernel is bf16_layer else 1e-5
    np.testing.assert_allclose(narrow["encoder_outputs"].numpy()[0], expected[0], atol=limit)
