"""DeBERTa's keys and layers: which parameters there are, what padding does, what is refused."""

import json

import numpy as np
import paddle
import pytest

from palm.backbone import Deberta, DebertaConfig
from palm.errors import ConfigError

SIZES = {
    "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40,
    "max_position_embeddings": 16,
}  # fmt: skip
V3 = {
    "relative_attention": True, "position_buckets": 4, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "pos_att_type": "p2c|c2p", "position_biased_input": False,
}  # fmt: skip
# That of microsoft/deberta-v3-base.
PUBLISHED = {
    "model_type": "deberta-v2", "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
    "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072, "max_position_embeddings": 512,
    "relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "pos_att_type": "p2c|c2p", "layer_norm_eps": 1e-7, "max_relative_positions": -1, "position_biased_input": False,
    "num_attention_heads": 12, "num_hidden_layers": 12, "type_vocab_size": 0, "vocab_size": 128100,
}  # fmt: skip
ALL = {
    "plain": {},
    "v3": V3,
    "v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 2},
    "one term": {**V3, "share_att_key": False, "pos_att_type": "p2c"},
    "narrow": {**V3, "embedding_size": 12},
    "convolution": {**V3, "conv_kernel_size": 3, "conv_groups": 2},
}


def built(**keys: object) -> paddle.nn.Layer:
    layers = Deberta(DebertaConfig(**{**SIZES, **keys})).build_layers()
    layers.eval()
    return layers


def inputs(width: int, lengths: tuple[int, ...] = (9, 5)) -> dict[str, paddle.Tensor]:
    real = np.arange(width) < np.array(lengths)[:, None]
    ids = np.zeros((2, width), "int64")
    ids[:, :9] = np.random.default_rng(1).integers(5, 50, (2, 9))
    return {
        "token_ids": paddle.to_tensor(ids * real),
        "position_ids": paddle.to_tensor(np.tile(np.arange(width), (2, 1))),
        "segment_ids": paddle.zeros([2, width], "int64"),
        "input_mask": paddle.to_tensor(real.astype("float32")),
    }


def test_the_published_config_is_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED), encoding="utf-8")
    described = Deberta.from_config(tmp_path)
    config = described.config

    assert (config.pos_att_type, config.span, config.largest_distance) == (["p2c", "c2p"], 256, 512)
    assert list(described.inputs_attr()) == ["token_ids", "input_mask"]
    assert config.longest_sequence() is None
    # 98 M of word embeddings and 86 M of the backbone, says its model card.
    shapes = described.shapes()
    words = np.prod(shapes.pop("embeddings.word_embeddings.weight"))
    assert (round(words / 1e6), round(sum(np.prod(shape) for shape in shapes.values()) / 1e6)) == (98, 86)


@pytest.mark.parametrize("keys", ALL.values(), ids=ALL)
def test_shapes_are_those_that_are_built(keys):
    described = Deberta(DebertaConfig(**SIZES, **keys))
    parameters = described.build_layers().named_parameters()

    assert described.shapes() == {name: tuple(parameter.shape) for name, parameter in parameters}


@pytest.mark.parametrize("keys", ALL.values(), ids=ALL)
def test_padding_changes_nothing_and_gradients_reach_every_parameter(keys):
    layers = built(**keys)
    padded, wider = (layers(inputs(width))["encoder_outputs"].numpy() for width in (9, 14))
    real = np.arange(9) < np.array([9, 5])[:, None]
    np.testing.assert_allclose(wider[:, :9][real], padded[real], atol=1e-6)

    layers.train()
    outputs = layers(inputs(9))
    (outputs["sentence_embedding"] * paddle.randn([2, 24])).sum().backward()
    still = [name for name, p in layers.named_parameters() if p.grad is None or not p.grad.numpy().any()]
    assert still == []


def test_relative_positions_allow_sequences_of_any_length():
    layers = built(**V3)
    long = inputs(40, (9, 5))
    long["input_mask"] = paddle.ones([2, 40])

    assert np.isfinite(layers(long)["encoder_outputs"].numpy()).all()


def test_only_relative_positions_matter():
    """A text behind another, without the other: attention sees distances alone."""
    layers = built(**V3, initializer_range=0.3)
    ids = inputs(9)["token_ids"][:1]
    alone = {"token_ids": ids, "input_mask": paddle.ones([1, 9])}
    mask = paddle.concat([paddle.zeros([1, 4]), paddle.ones([1, 9])], 1)
    behind = {"token_ids": paddle.concat([paddle.full([1, 4], 7, "int64"), ids], 1), "input_mask": mask}

    np.testing.assert_allclose(
        layers(behind)["encoder_outputs"].numpy()[:, 4:], layers(alone)["encoder_outputs"].numpy(), atol=1e-6
    )
    swapped = {**alone, "token_ids": paddle.flip(ids, [1])}
    turned = layers(swapped)["encoder_outputs"].numpy()[:, ::-1]
    assert np.abs(turned - layers(alone)["encoder_outputs"].numpy()).max() > 1e-4


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pos_att_type": "c2p|p2p"}, "`c2p`, `p2c` or both are expected, each once, found `c2p, p2p`"),
        ({"norm_rel_ebd": "rms"}, "`none` or `layer_norm` is expected, found `rms`"),
        ({"attention_head_size": 8}, "attention_head_size is hidden_size / num_attention_heads, 6, found 8"),
        ({"pooler_hidden_size": 8}, "pooler_hidden_size is hidden_size, 24, found 8"),
        ({"conv_kernel_size": 4}, "conv_kernel_size is odd"),
        ({**V3, "position_buckets": 60}, "max_relative_positions is above half of position_buckets, found 16 and 60"),
        ({"hidden_act": "swish"}, "hidden_act is one of `gelu`, `gelu_new`, `relu`, `tanh`. Found `swish`"),
        ({"model_type": "deberta"}, "Found `deberta`"),
    ],
)
def test_what_it_does_not_compute_is_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        Deberta.from_config({**SIZES, **keys})
