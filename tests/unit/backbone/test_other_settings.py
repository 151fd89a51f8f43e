"""Settings of a config.json with which an encoder computes something else are named."""

import pytest

import palm
from palm.backbone.other_settings import ENCODER_SETTINGS, unsupported_settings
from palm.errors import ConfigError

AS_PUBLISHED = {
    "position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False, "pruned_heads": {},
    "use_cache": True, "chunk_size_feed_forward": 0, "output_past": True, "auto_map": {"AutoConfig": "configuration.C"},
    "quantization_config": None, "classifier_dropout": None,
}  # fmt: skip


def test_those_of_published_encoders_pass() -> None:
    assert list(unsupported_settings(AS_PUBLISHED, ENCODER_SETTINGS)) == []
    assert list(unsupported_settings({}, ENCODER_SETTINGS)) == []


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("position_embedding_type", "relative_key", "with position_embedding_type: `absolute`. Found `relative_key`"),
        ("position_embedding_type", "relative_key_query", "Found `relative_key_query`"),
        ("position_embedding_type", "alibi", "Found `alibi`"),
        ("is_decoder", True, "Found `True`"),
        ("add_cross_attention", True, "Found `True`"),
        ("is_encoder_decoder", True, "Found `True`"),
        ("pruned_heads", {"0": [1]}, "with pruned_heads: nothing. Found `{'0': [1]}`"),
        ("quantization_config", {"bits": 4}, "Found `{'bits': 4}`"),
        ("auto_map", {"AutoModelForMaskedLM": "modeling_bert.B"}, "runs no code of a model's folder"),
    ],
)
def test_others_are_refused(key: str, value: object, found: str) -> None:
    ((name, message),) = unsupported_settings({**AS_PUBLISHED, key: value}, ENCODER_SETTINGS)
    assert name == key
    assert found in message
    sizes = {"vocab_size": 11, "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2}
    with pytest.raises(ConfigError, match=r"^palm\.backbone\.Bert: PALM computes"):
        palm.backbone.BERT.from_config({**sizes, key: value})


def test_task_embeddings_are_not_those_of_a_bert() -> None:
    sizes = {"vocab_size": 11, "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2}
    written = {**sizes, "model_type": "ernie", "use_task_id": True}
    with pytest.raises(ConfigError, match=r"with use_task_id: `False`\. Found `True`"):
        palm.backbone.BERT.from_config(written)
    assert palm.backbone.ERNIE.from_config(written).config.use_task_id
    assert palm.backbone.BERT.from_config({**written, "use_task_id": False}).config.hidden_size == 4
