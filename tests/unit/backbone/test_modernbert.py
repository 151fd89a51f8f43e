"""ModernBERT's keys and layers: which layers are local, where norms and biases are, what is refused."""

import json

import numpy as np
import paddle
import pytest

from palm.backbone import ModernBert, ModernBertConfig
from palm.errors import ConfigError

SIZES = {
    "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 40,
    "local_attention": 4,
}  # fmt: skip
# Those of answerdotai/ModernBERT-base that say how it computes.
PUBLISHED = {
    "architectures": ["ModernBertForMaskedLM"], "attention_bias": False, "attention_dropout": 0.0,
    "classifier_activation": "gelu", "classifier_bias": False, "classifier_dropout": 0.0, "classifier_pooling": "mean",
    "decoder_bias": True, "deterministic_flash_attn": False, "embedding_dropout": 0.0, "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0, "hidden_activation": "gelu", "hidden_size": 768, "initializer_cutoff_factor": 2.0,
    "initializer_range": 0.02, "intermediate_size": 1152, "layer_norm_eps": 1e-05, "local_attention": 128,
    "local_rope_theta": 10000.0, "max_position_embeddings": 8192, "mlp_bias": False, "mlp_dropout": 0.0,
    "model_type": "modernbert", "norm_bias": False, "norm_eps": 1e-05, "num_attention_heads": 12,
    "num_hidden_layers": 22, "pad_token_id": 50283, "position_embedding_type": "absolute", "vocab_size": 50368,
}  # fmt: skip


def built(**keys: object) -> paddle.nn.Layer:
    layers = ModernBert(ModernBertConfig(**{**SIZES, **keys})).build_layers()
    layers.eval()
    return layers


def inputs(width: int) -> dict[str, paddle.Tensor]:
    ids = np.random.default_rng(1).integers(5, 50, (2, width))
    return {"token_ids": paddle.to_tensor(ids), "input_mask": paddle.ones([2, width])}


def test_the_published_config_is_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED), encoding="utf-8")
    config = ModernBert.from_config(tmp_path).config

    assert (config.hidden_act, config.layer_norm_eps, config.attention_probs_dropout_prob) == ("gelu", 1e-5, 0.0)
    assert (config.thetas, config.longest_sequence(), config.type_vocab_size) == ((160_000.0, 10_000.0), 8192, 0)
    assert [number for number in range(22) if not config.is_local(number)] == [0, 3, 6, 9, 12, 15, 18, 21]
    # As many as transformers' ModernBertForMaskedLM has, with the biases of its decoder.
    assert sum(np.prod(shape) for shape in ModernBert(config).shapes().values()) + 50_368 == 149_655_232


def test_both_ways_to_write_layers_and_rotations_are_read():
    old = ModernBertConfig(**SIZES, global_attn_every_n_layers=2, global_rope_theta=5e4, local_rope_theta=1e3)
    kinds = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
    rope = {"full_attention": {"rope_theta": 5e4, "rope_type": "default"}, "sliding_attention": {"rope_theta": 1e3}}
    new = ModernBertConfig(**SIZES, layer_types=kinds, rope_parameters=rope)

    assert [old.is_local(number) for number in range(4)] == [False, True, False, True]
    assert [new.is_local(number) for number in range(4)] == [False, True, False, True]
    assert old.thetas == new.thetas == (5e4, 1e3)


def test_layers_with_local_attention_do_not_see_beyond_their_window():
    """A change of the last token reaches, through each local layer, two tokens further; through a global one, all."""
    batch = inputs(20)
    changed = {**batch, "token_ids": paddle.concat([batch["token_ids"][:, :-1], batch["token_ids"][:, -1:] % 7], 1)}
    kinds = {False: ["sliding_attention"] * 4, True: ["sliding_attention"] * 3 + ["full_attention"]}
    for whole, types in kinds.items():
        layers = built(layer_types=types)
        one, other = (layers(each)["encoder_outputs"].numpy() for each in (batch, changed))
        reached = np.abs(one - other).max((0, 2)) > 1e-7
        assert reached.tolist() == [True] * 20 if whole else [False] * 11 + [True] * 9


def test_biases_and_norms_are_where_the_config_says():
    names = set(built().state_dict())
    assert not any(name.endswith("bias") for name in names)
    assert "encoder.layers.0.attention.layer_norm.weight" not in names
    assert {name for name in names if "final" in name} == {"encoder.layers.3.final_layer_norm.weight"}
    for key, part in (("attention_bias", "attention"), ("mlp_bias", "ffn"), ("classifier_bias", "pooler.dense")):
        more = set(built(**{key: True}).state_dict()) - names
        assert more
        assert all(part in name and "norm" not in name and name.endswith("bias") for name in more)
    assert all("layer_norm" in name for name in set(built(norm_bias=True).state_dict()) - names)
    for keys in ({}, {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True}):
        shapes = ModernBert(ModernBertConfig(**SIZES, **keys)).shapes()
        assert shapes == {name: tuple(parameter.shape) for name, parameter in built(**keys).state_dict().items()}


def test_the_vector_of_a_text_is_its_first_token_or_its_mean_without_padding():
    batch = inputs(6)
    batch["input_mask"][1, 4:] = 0.0
    for pooling in ("cls", "mean"):
        layers = built(classifier_pooling=pooling)
        outputs = layers(batch)
        encoded, head = outputs["encoder_outputs"].numpy(), layers.pooler
        pooled = encoded[:, 0] if pooling == "cls" else np.stack([encoded[0].mean(0), encoded[1, :4].mean(0)])
        inner = paddle.nn.functional.gelu(paddle.to_tensor(pooled) @ head.dense.weight).numpy()
        centred = inner - inner.mean(-1, keepdims=True)
        expected = centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(outputs["sentence_embedding"].numpy(), expected, atol=1e-4)


def test_dropout_is_that_of_its_own_keys_or_the_usual_one():
    config = ModernBertConfig(**SIZES, hidden_dropout_prob=0.3)
    assert (config.dropout_of_embeddings, config.dropout_of_ffn) == (0.3, 0.3)
    config = ModernBertConfig(**SIZES, hidden_dropout_prob=0.3, embedding_dropout=0.1, mlp_dropout=0.0)
    assert (config.dropout_of_embeddings, config.dropout_of_ffn) == (0.1, 0.0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"layer_types": ["full_attention"] * 3},
            "layer_types has one entry for each of num_hidden_layers, found 3 for 4",
        ),
        ({"layer_types": ["chunked_attention"] * 4}, "found `chunked_attention`"),
        ({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "found `full_attention: yarn`"),
        ({"num_attention_heads": 8}, "hidden_size / num_attention_heads is even"),
        ({"type_vocab_size": 2}, "type_vocab_size is 0: this encoder has no segments, found 2"),
        ({"hidden_activation": "silu"}, "hidden_activation is one of `gelu`, `gelu_new`, `relu`, `tanh`. Found `silu`"),
        ({"model_type": "bert"}, "Found `bert`"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "PALM computes this encoder with rope_scaling: nothing"),
    ],
)
def test_what_it_does_not_compute_is_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        ModernBert.from_config({**SIZES, **keys})
