"""Pre-trained weights into an encoder: what fits, what is missing, what is refused."""

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn
from safetensors.numpy import save_file

from palm.backbone import Bert, BertConfig, Ernie, ErnieConfig
from palm.errors import CheckpointError
from palm.pretrained.load import PretrainedWeights, apply_pretrained, config_defaults_for, load_pretrained
from tests.unit.pretrained import foreign
from tests.unit.pretrained.test_paddle1x import variable

MLM = {"mlm.transform.weight", "mlm.transform.bias", "mlm.layer_norm.weight", "mlm.layer_norm.bias", "mlm.bias"}


def ernie(**backbone_config: object) -> nn.Layer:
    return Ernie(ErnieConfig(**{**foreign.SIZES, **backbone_config})).build_layers()


def bert(**backbone_config: object) -> nn.Layer:
    return Bert(BertConfig(**{**foreign.SIZES, **backbone_config})).build_layers()


def safetensors(folder: Path, tensors: dict[str, np.ndarray]) -> Path:
    save_file(tensors, str(folder / "model.safetensors"))
    return folder


def pdparams(folder: Path) -> Path:
    paddle.save(
        {name: paddle.to_tensor(array) for name, array in foreign.paddle_nlp().items()}, str(folder / "a.pdparams")
    )
    return folder / "a.pdparams"


def params(folder: Path) -> Path:
    (folder / "params").mkdir()
    for name, array in foreign.lark().items():
        (folder / "params" / name).write_bytes(variable(array))
    return folder


SOURCES = {
    "Hugging Face folder": lambda folder: safetensors(folder, foreign.hugging_face()),
    "Hugging Face file": lambda folder: safetensors(folder, foreign.hugging_face("")) / "model.safetensors",
    "pdparams": pdparams,
    "Paddle 1.x": params,
}


@pytest.mark.parametrize("source", list(SOURCES))
def test_every_source_fills_the_encoder(tmp_path: Path, source: str):
    layers = ernie()
    weights = load_pretrained(SOURCES[source](tmp_path))
    report = apply_pretrained(layers, weights)

    expected = {name: array for name, array in foreign.palm().items() if name not in MLM}
    assert set(report.loaded) == set(expected)
    assert report.missing == report.unexpected == ()
    foreign.assert_same({name: tensor.numpy() for name, tensor in layers.state_dict().items()}, expected)
    assert set(weights.tensors) == set(expected) | MLM
    assert all(array.dtype == np.float32 for array in weights.tensors.values())


def test_the_head_of_the_masked_language_model_is_applied_by_its_prefix(tmp_path: Path):
    head = nn.Layer()
    head.transform, head.layer_norm = nn.Linear(foreign.HIDDEN, foreign.HIDDEN), nn.LayerNorm(foreign.HIDDEN)
    head.bias = head.create_parameter([foreign.VOCAB], is_bias=True)
    weights = load_pretrained(safetensors(tmp_path, foreign.hugging_face()))
    report = apply_pretrained(head, weights, prefix="mlm.")

    assert report.missing == report.unexpected == ()
    for name, tensor in head.state_dict().items():
        assert np.array_equal(tensor.numpy(), foreign.palm()["mlm." + name])


def test_half_precision_becomes_float32(tmp_path: Path):
    half = {name: array.astype("float16") for name, array in foreign.hugging_face().items()}
    weights = load_pretrained(safetensors(tmp_path, half))

    found = weights.tensors["pooler.dense.weight"]
    assert found.dtype == np.float32
    assert np.abs(found - foreign.palm()["pooler.dense.weight"]).max() < 2e-3


def test_what_is_missing_and_unexpected_is_listed(tmp_path: Path):
    tensors = foreign.hugging_face()
    del tensors["bert.pooler.dense.weight"], tensors["bert.pooler.dense.bias"]
    tensors["cls.seq_relationship.weight"] = np.zeros([2, foreign.HIDDEN], "float32")
    report = apply_pretrained(bert(), load_pretrained(safetensors(tmp_path, tensors)))

    assert report.missing == ("pooler.dense.weight", "pooler.dense.bias")
    assert set(report.unexpected) == {"embeddings.task_type_embeddings.weight", "cls.seq_relationship.weight"}


def test_missing_parameters_keep_their_fresh_values(tmp_path: Path):
    tensors = foreign.hugging_face()
    del tensors["bert.pooler.dense.weight"]
    layers = bert()
    fresh = layers.pooler.dense.weight.numpy()
    apply_pretrained(layers, load_pretrained(safetensors(tmp_path, tensors)))

    assert np.array_equal(layers.pooler.dense.weight.numpy(), fresh)


def test_task_embeddings_that_are_missing_add_nothing(tmp_path: Path):
    tensors = foreign.hugging_face()
    del tensors["bert.embeddings.task_type_embeddings.weight"]
    layers = ernie()
    report = apply_pretrained(layers, load_pretrained(safetensors(tmp_path, tensors)))

    assert report.missing == ("embeddings.task_type_embeddings.weight",)
    assert not layers.embeddings.task_type_embeddings.weight.numpy().any()


def test_fewer_layers_take_the_lower_ones(tmp_path: Path):
    upper = {
        name.replace("layer.0.", "layer.1."): array + 1
        for name, array in foreign.hugging_face().items()
        if "layer.0." in name
    }
    layers = ernie()
    report = apply_pretrained(layers, load_pretrained(safetensors(tmp_path, foreign.hugging_face() | upper)))

    assert all(name.startswith("encoder.layers.1.") for name in report.unexpected)
    assert len(report.unexpected) == 12
    expected = foreign.palm()["encoder.layers.0.ffn.output.weight"]
    assert np.array_equal(layers.state_dict()["encoder.layers.0.ffn.output.weight"].numpy(), expected)


def test_nothing_matched():
    weights = PretrainedWeights({}, "model.safetensors", {}, ("transformer.h.0.attn.weight",))

    with pytest.raises(
        CheckpointError, match=r"none of the 1 tensors is a parameter of this model\. Found transformer\.h\.0"
    ):
        apply_pretrained(bert(), weights)


@pytest.mark.parametrize(
    ("backbone_config", "message"),
    [
        (
            {"vocab_size": 12},
            r"word_embeddings\.weight` is \[12, 4\], the weights' is \[11, 4\]\. Set vocab_size to 11",
        ),
        ({"max_position_embeddings": 20}, r"is \[20, 4\], the weights' is \[9, 4\]\. Set max_position_embeddings to 9"),
        ({"type_vocab_size": 4}, r"is \[4, 4\], the weights' is \[2, 4\]\. Set type_vocab_size to 2"),
        ({"task_type_vocab_size": 16}, r"is \[16, 4\], the weights' is \[3, 4\]\. Set task_type_vocab_size to 3"),
        (
            {"intermediate_size": 8},
            r"intermediate\.weight` is \[4, 8\], the weights' is \[4, 6\]\. Set intermediate_size to 6",
        ),
    ],
)
def test_shapes_that_differ_are_named_and_nothing_is_copied(
    tmp_path: Path, backbone_config: dict[str, int], message: str
):
    layers = ernie(**backbone_config)
    before = {name: tensor.numpy() for name, tensor in layers.state_dict().items()}

    with pytest.raises(CheckpointError, match=message):
        apply_pretrained(layers, load_pretrained(safetensors(tmp_path, foreign.hugging_face())))
    assert all(np.array_equal(tensor.numpy(), before[name]) for name, tensor in layers.state_dict().items())


@pytest.mark.parametrize(
    ("source", "defaults"),
    [
        ("Hugging Face folder", {}),
        ("pdparams", {"layer_norm_eps": 1e-5}),
        ("Paddle 1.x", {"layer_norm_eps": 1e-6}),
    ],
)
def test_weights_say_what_their_configuration_leaves_out(tmp_path: Path, source: str, defaults: dict[str, float]):
    path = SOURCES[source](tmp_path)

    assert config_defaults_for(path) == defaults
    assert load_pretrained(path).config == defaults


@pytest.mark.parametrize("model_type", ["nomic_bert", "nezha", "layoutlm"])
def test_encoders_with_similar_names_are_refused(tmp_path: Path, model_type: str):
    safetensors(tmp_path, foreign.hugging_face())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))

    for kind in (None, Bert):
        with pytest.raises(CheckpointError, match=rf"config\.json:1: PALM reads .* Found model_type `{model_type}`"):
            load_pretrained(tmp_path, kind)


def test_an_encoder_with_task_embeddings_is_no_bert(tmp_path: Path):
    safetensors(tmp_path, foreign.hugging_face())
    with pytest.raises(CheckpointError, match=r"Found `embeddings\.task_type_embeddings\.weight`, of .* `ernie`\. Set"):
        load_pretrained(tmp_path, Bert)
    assert load_pretrained(tmp_path, Ernie).unknown == ()


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ('"position_embedding_type": "relative_key"', "position_embedding_type: `absolute`. Found `relative_key`"),
        ('"is_decoder": true', "is_decoder: `False`. Found `True`"),
    ],
)
def test_what_the_file_beside_the_weights_says_and_nothing_computes_is_refused(tmp_path, setting, found):
    safetensors(tmp_path, foreign.hugging_face())
    (tmp_path / "config.json").write_text(f'{{"model_type": "bert",\n {setting}}}')
    with pytest.raises(CheckpointError) as caught:
        load_pretrained(tmp_path, Ernie)
    assert found in str(caught.value)
    assert "config.json:2: PALM computes this encoder with" in str(caught.value)


def test_chinese_roberta_is_a_bert(tmp_path: Path):
    tensors = foreign.hugging_face()
    del tensors["bert.embeddings.task_type_embeddings.weight"]
    safetensors(tmp_path, tensors)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertForMaskedLM"]}))

    assert load_pretrained(tmp_path).unknown == ()


def test_a_path_with_chinese_characters(tmp_path: Path):
    folder = tmp_path / "预训练模型"
    folder.mkdir()

    assert "预训练模型" in load_pretrained(safetensors(folder, foreign.hugging_face())).source


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_named_with_file_and_tensor(tmp_path: Path, value: float):
    """In a row of the vocabulary, too, that no example of the data has."""
    tensors = foreign.hugging_face()
    tensors["bert.embeddings.word_embeddings.weight"][9, 2] = value
    with pytest.raises(
        CheckpointError,
        match=rf"model\.safetensors: weights are finite .* Found {value} in "
        r"`bert\.embeddings\.word_embeddings\.weight` at \[9, 2\]\. Use another copy",
    ):
        load_pretrained(safetensors(tmp_path, tensors))


def test_the_shard_and_the_variable_of_a_nan_are_named(tmp_path: Path):
    tensors = foreign.hugging_face()
    tensors["bert.pooler.dense.bias"][:] = np.nan
    files = {name: f"model-0000{1 + (name == 'bert.pooler.dense.bias')}-of-00002.safetensors" for name in tensors}
    for file in set(files.values()):
        save_file({name: array for name, array in tensors.items() if files[name] == file}, str(tmp_path / file))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002\.safetensors: .* in `bert\.pooler\.dense\.bias`"):
        load_pretrained(tmp_path)

    (tmp_path / "params").mkdir()
    for name, array in foreign.lark().items():
        (tmp_path / "params" / name).write_bytes(variable(array * (np.nan if "word_emb" in name else 1)))
    with pytest.raises(CheckpointError, match=r"params/__paddlepalm_word_embedding: weights are finite"):
        load_pretrained(tmp_path / "params")


def test_a_float64_beyond_float32_is_no_weight(tmp_path: Path):
    tensors = foreign.hugging_face()
    tensors["bert.pooler.dense.bias"] = np.full(4, 1e300)
    with pytest.raises(
        CheckpointError, match=r"finite numbers of float32\. Found 1e\+300 in `bert\.pooler\.dense\.bias`"
    ):
        load_pretrained(safetensors(tmp_path, tensors))


def test_what_palm_does_not_use_may_hold_anything(tmp_path: Path):
    tensors = foreign.hugging_face() | {"cls.seq_relationship.bias": np.full(2, np.nan, "float32")}
    assert load_pretrained(safetensors(tmp_path, tensors)).unknown == ("cls.seq_relationship.bias",)


@pytest.mark.parametrize("layout", ["hugging_face", "paddle_nlp", "lark"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (4,), (4, 4, 1), (2, 2, 2, 2), (3, 5), (2**20, 0), None])
def test_another_number_of_axes_is_refused_for_every_tensor(tmp_path: Path, layout: str, shape: tuple[int, ...] | None):
    tensors: dict[str, np.ndarray] = getattr(foreign, layout)()
    for name, array in tensors.items():
        changed = array.astype("complex64") if shape is None else np.ones(shape, "float32")
        folder = safetensors(tmp_path, {**tensors, name: changed})
        if changed.shape == array.shape and shape is not None:
            continue
        with pytest.raises(CheckpointError) as caught:
            _apply_all(folder)
        assert str(tmp_path) in str(caught.value)


def _apply_all(folder: Path) -> None:
    weights = load_pretrained(folder)
    apply_pretrained(ernie(), weights)
    apply_pretrained(_mlm_head(), weights, prefix="mlm.")


def _mlm_head() -> nn.Layer:
    head = nn.Layer()
    head.transform, head.layer_norm = nn.Linear(foreign.HIDDEN, foreign.HIDDEN), nn.LayerNorm(foreign.HIDDEN)
    head.bias = head.create_parameter([foreign.VOCAB], is_bias=True)
    return head


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"weight_map": []}', '{"weight_map": 3}', "[]", '{"weight_map": {"a": 3}}']
)
def test_an_index_that_is_none(tmp_path: Path, content: str):
    (tmp_path / "model.safetensors.index.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        load_pretrained(tmp_path)


def test_a_configuration_beside_the_weights_that_is_nested_too_deeply_is_left_to_its_reader(tmp_path: Path):
    (tmp_path / "config.json").write_text("[" * 100_000, encoding="utf-8")
    assert load_pretrained(safetensors(tmp_path, foreign.hugging_face())).tensors
