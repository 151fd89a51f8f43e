"""The parameters of a one-layer encoder under everybody's names, written out by hand."""
# ruff: noqa: E501 (tables)

from collections.abc import Mapping

import numpy as np

VOCAB, HIDDEN, INNER, POSITIONS, SEGMENTS, TASKS = 11, 4, 6, 9, 2, 3
SIZES = {
    "vocab_size": VOCAB, "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": INNER, "max_position_embeddings": POSITIONS, "type_vocab_size": SEGMENTS,
}  # fmt: skip

_HF, _NLP, _LARK = "encoder.layer.0.", "encoder.layers.0.", "encoder_layer_0_"

# shape as Paddle keeps it; names at Hugging Face, PaddleNLP, LARK (Paddle 1.x)
_PARAMETERS: list[tuple[tuple[int, ...], str, str, str]] = [
    ((VOCAB, HIDDEN), "embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight", "word_embedding"),
    ((POSITIONS, HIDDEN), "embeddings.position_embeddings.weight", "embeddings.position_embeddings.weight", "pos_embedding"),
    ((SEGMENTS, HIDDEN), "embeddings.token_type_embeddings.weight", "embeddings.token_type_embeddings.weight", "sent_embedding"),
    ((TASKS, HIDDEN), "embeddings.task_type_embeddings.weight", "embeddings.task_type_embeddings.weight", "task_embedding"),
    ((HIDDEN,), "embeddings.LayerNorm.weight", "embeddings.layer_norm.weight", "pre_encoder_layer_norm_scale"),
    ((HIDDEN,), "embeddings.LayerNorm.bias", "embeddings.layer_norm.bias", "pre_encoder_layer_norm_bias"),
    ((HIDDEN, HIDDEN), _HF + "attention.self.query.weight", _NLP + "self_attn.q_proj.weight", _LARK + "multi_head_att_query_fc.w_0"),
    ((HIDDEN,), _HF + "attention.self.query.bias", _NLP + "self_attn.q_proj.bias", _LARK + "multi_head_att_query_fc.b_0"),
    ((HIDDEN, HIDDEN), _HF + "attention.self.key.weight", _NLP + "self_attn.k_proj.weight", _LARK + "multi_head_att_key_fc.w_0"),
    ((HIDDEN,), _HF + "attention.self.key.bias", _NLP + "self_attn.k_proj.bias", _LARK + "multi_head_att_key_fc.b_0"),
    ((HIDDEN, HIDDEN), _HF + "attention.self.value.weight", _NLP + "self_attn.v_proj.weight", _LARK + "multi_head_att_value_fc.w_0"),
    ((HIDDEN,), _HF + "attention.self.value.bias", _NLP + "self_attn.v_proj.bias", _LARK + "multi_head_att_value_fc.b_0"),
    ((HIDDEN, HIDDEN), _HF + "attention.output.dense.weight", _NLP + "self_attn.out_proj.weight", _LARK + "multi_head_att_output_fc.w_0"),
    ((HIDDEN,), _HF + "attention.output.dense.bias", _NLP + "self_attn.out_proj.bias", _LARK + "multi_head_att_output_fc.b_0"),
    ((HIDDEN,), _HF + "attention.output.LayerNorm.weight", _NLP + "norm1.weight", _LARK + "post_att_layer_norm_scale"),
    ((HIDDEN,), _HF + "attention.output.LayerNorm.bias", _NLP + "norm1.bias", _LARK + "post_att_layer_norm_bias"),
    ((HIDDEN, INNER), _HF + "intermediate.dense.weight", _NLP + "linear1.weight", _LARK + "ffn_fc_0.w_0"),
    ((INNER,), _HF + "intermediate.dense.bias", _NLP + "linear1.bias", _LARK + "ffn_fc_0.b_0"),
    ((INNER, HIDDEN), _HF + "output.dense.weight", _NLP + "linear2.weight", _LARK + "ffn_fc_1.w_0"),
    ((HIDDEN,), _HF + "output.dense.bias", _NLP + "linear2.bias", _LARK + "ffn_fc_1.b_0"),
    ((HIDDEN,), _HF + "output.LayerNorm.weight", _NLP + "norm2.weight", _LARK + "post_ffn_layer_norm_scale"),
    ((HIDDEN,), _HF + "output.LayerNorm.bias", _NLP + "norm2.bias", _LARK + "post_ffn_layer_norm_bias"),
    ((HIDDEN, HIDDEN), "pooler.dense.weight", "pooler.dense.weight", "pooled_fc.w_0"),
    ((HIDDEN,), "pooler.dense.bias", "pooler.dense.bias", "pooled_fc.b_0"),
    ((HIDDEN, HIDDEN), "cls.predictions.transform.dense.weight", "cls.predictions.transform.weight", "mask_lm_trans_fc.w_0"),
    ((HIDDEN,), "cls.predictions.transform.dense.bias", "cls.predictions.transform.bias", "mask_lm_trans_fc.b_0"),
    ((HIDDEN,), "cls.predictions.transform.LayerNorm.weight", "cls.predictions.layer_norm.weight", "mask_lm_trans_layer_norm_scale"),
    ((HIDDEN,), "cls.predictions.transform.LayerNorm.bias", "cls.predictions.layer_norm.bias", "mask_lm_trans_layer_norm_bias"),
    ((VOCAB,), "cls.predictions.bias", "cls.predictions.decoder_bias", "mask_lm_out_fc.b_0"),
]  # fmt: skip

_PALM_NAMES = [
    "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight",
    "embeddings.task_type_embeddings.weight", "embeddings.layer_norm.weight", "embeddings.layer_norm.bias",
    "query.weight", "query.bias", "key.weight", "key.bias", "value.weight", "value.bias",
    "encoder.layers.0.attention.output.weight", "encoder.layers.0.attention.output.bias",
    "encoder.layers.0.attention.layer_norm.weight", "encoder.layers.0.attention.layer_norm.bias",
    "encoder.layers.0.ffn.intermediate.weight", "encoder.layers.0.ffn.intermediate.bias",
    "encoder.layers.0.ffn.output.weight", "encoder.layers.0.ffn.output.bias",
    "encoder.layers.0.ffn.layer_norm.weight", "encoder.layers.0.ffn.layer_norm.bias",
    "pooler.dense.weight", "pooler.dense.bias",
    "mlm.transform.weight", "mlm.transform.bias", "mlm.layer_norm.weight", "mlm.layer_norm.bias", "mlm.bias",
]  # fmt: skip


def arrays() -> list[np.ndarray]:
    """The parameters in order, each with values of its own."""
    generator = np.random.default_rng(3)
    return [generator.normal(size=shape).astype(np.float32) for shape, *_ in _PARAMETERS]


def palm() -> dict[str, np.ndarray]:
    """What every layout becomes."""
    named = dict(zip(_PALM_NAMES, arrays(), strict=True))
    for kind in ("weight", "bias"):
        parts = [named.pop(f"{part}.{kind}") for part in ("query", "key", "value")]
        named[f"encoder.layers.0.attention.qkv.{kind}"] = np.concatenate(parts, axis=-1)
    return named


def hugging_face(prefix: str = "bert.") -> dict[str, np.ndarray]:
    """Dense weights are [out in] there; embeddings are not."""
    named = {name: array for (_, name, _, _), array in zip(_PARAMETERS, arrays(), strict=True)}
    turned = {name: array.T if "embeddings" not in name and array.ndim == 2 else array for name, array in named.items()}
    return {name if name.startswith("cls.") else prefix + name: np.ascontiguousarray(a) for name, a in turned.items()}


def paddle_nlp(prefix: str = "ernie.") -> dict[str, np.ndarray]:
    named = {name: array for (_, _, name, _), array in zip(_PARAMETERS, arrays(), strict=True)}
    return {name if name.startswith("cls.") else prefix + name: array for name, array in named.items()}


def lark(prefix: str = "__paddlepalm_") -> dict[str, np.ndarray]:
    return {prefix + name: array for (_, _, _, name), array in zip(_PARAMETERS, arrays(), strict=True)}


def assert_same(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name
