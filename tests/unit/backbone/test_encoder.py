"""The encoder's promises: names, shapes, padding, layers, dropout, seeds, gradients."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import Tensor, nn
from paddle.nn import functional

from palm.backbone import BACKBONES, BERT, ERNIE, Backbone, Bert, BertConfig, Ernie, ErnieConfig
from palm.backbone.encoder import TransformerEncoder
from palm.kernels.choice import PLAIN
from palm.kernels.contract import LayerSettings, LayerWeights, Rows
from palm.runtime.paddle_versions import static_graph_refusal

SIZES = {
    "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40,
    "max_position_embeddings": 16,
}  # fmt: skip
LENGTHS = np.array([9, 5, 2])

every_backbone = pytest.mark.parametrize("name", list(BACKBONES))


def backbone(name: str = "bert", **keys: object) -> Backbone:
    return BACKBONES[name](BACKBONES[name].Config(**{**SIZES, **keys}))


def inputs(width: int = 9, *, lengths: np.ndarray = LENGTHS) -> dict[str, Tensor]:
    generator = np.random.default_rng(0)
    rows = len(lengths)
    real = np.arange(width) < lengths[:, None]
    ids = (
        generator.integers(5, 50, (rows, 9))[:, :width]
        if width <= 9
        else np.pad(generator.integers(5, 50, (rows, 9)), ((0, 0), (0, width - 9)))
    )
    return {
        "token_ids": paddle.to_tensor(ids * real),
        "position_ids": paddle.to_tensor(np.arange(width)[None].repeat(rows, 0)),
        "segment_ids": paddle.to_tensor(((np.arange(width) > 3) * real).astype("int64")),
        "task_ids": paddle.to_tensor(np.zeros([rows, width], "int64")),
        "input_mask": paddle.to_tensor(real.astype("float32")),
    }


def encode(layers: nn.Layer, batch: Mapping[str, Tensor], layer: int = -1) -> np.ndarray:
    return layers(batch, layer=layer)["encoder_outputs"].numpy()


def tokens_of(encoded: np.ndarray, batch: Mapping[str, Tensor]) -> np.ndarray:
    """The rows of tokens, [rows hidden], without those of padding, which are not defined."""
    return encoded[batch["input_mask"].numpy() > 0]


def test_names_of_the_manual_and_of_palm_2():
    assert set(BACKBONES) >= {"bert", "ernie"}
    assert BERT is Bert
    assert ERNIE is Ernie


@every_backbone
def test_outputs_are_the_declared_ones(name: str):
    described = backbone(name)
    batch = inputs()
    outputs = described.build_layers()({key: batch[key] for key in described.inputs_attr()})
    backbone_config = {"batch": 3, "seq": 9, "hidden": 24, "vocab": 50}
    backbone_config["emb"] = described.config.mlm_head().width

    assert set(outputs) == set(described.outputs_attr())
    for key, spec in described.outputs_attr().items():
        assert tuple(outputs[key].shape) == tuple(backbone_config[axis] for axis in spec.axes.split())
        assert str(outputs[key].numpy().dtype) == spec.dtype


@every_backbone
def test_gradients_reach_every_parameter(name: str):
    layers = backbone(name).build_layers()
    outputs = layers(inputs())
    weights = paddle.to_tensor(np.random.default_rng(1).normal(size=[3, 24]), dtype="float32")
    (outputs["sentence_embedding"] * weights).sum().backward()

    still = [
        key
        for key, parameter in layers.named_parameters()
        if parameter.grad is None or not parameter.grad.numpy().any()
    ]
    assert still == []


def test_parameter_names():
    names = {
        name: tuple(parameter.shape)
        for name, parameter in backbone("ernie", num_hidden_layers=1).build_layers().named_parameters()
    }

    assert names == {
        "embeddings.word_embeddings.weight": (50, 24),
        "embeddings.position_embeddings.weight": (16, 24),
        "embeddings.token_type_embeddings.weight": (2, 24),
        "embeddings.task_type_embeddings.weight": (3, 24),
        "embeddings.layer_norm.weight": (24,),
        "embeddings.layer_norm.bias": (24,),
        "encoder.layers.0.attention.qkv.weight": (24, 72),
        "encoder.layers.0.attention.qkv.bias": (72,),
        "encoder.layers.0.attention.output.weight": (24, 24),
        "encoder.layers.0.attention.output.bias": (24,),
        "encoder.layers.0.attention.layer_norm.weight": (24,),
        "encoder.layers.0.attention.layer_norm.bias": (24,),
        "encoder.layers.0.ffn.intermediate.weight": (24, 40),
        "encoder.layers.0.ffn.intermediate.bias": (40,),
        "encoder.layers.0.ffn.output.weight": (40, 24),
        "encoder.layers.0.ffn.output.bias": (24,),
        "encoder.layers.0.ffn.layer_norm.weight": (24,),
        "encoder.layers.0.ffn.layer_norm.bias": (24,),
        "pooler.dense.weight": (24, 24),
        "pooler.dense.bias": (24,),
    }


def test_inner_width_is_four_times_the_outer_when_unset():
    layers = backbone(intermediate_size=None).build_layers()

    assert layers.state_dict()["encoder.layers.0.ffn.intermediate.weight"].shape == [24, 96]


def test_padding_changes_nothing():
    layers = backbone().build_layers()
    layers.eval()
    padded, wider = encode(layers, inputs()), encode(layers, inputs(14))
    real = np.arange(9) < LENGTHS[:, None]

    assert np.abs(padded - wider[:, :9])[real].max() < 1e-6
    for row, length in enumerate(LENGTHS):
        alone = {key: tensor[row : row + 1, :length] for key, tensor in inputs().items()}
        assert np.abs(encode(layers, alone)[0] - padded[row, :length]).max() < 1e-6


def test_what_stands_on_padding_does_not_matter():
    layers = backbone().build_layers()
    layers.eval()
    batch = inputs()
    other = {
        **batch,
        "token_ids": paddle.where(batch["input_mask"] == 0, paddle.full([3, 9], 7, "int64"), batch["token_ids"]),
    }
    real = np.arange(9) < LENGTHS[:, None]

    assert np.array_equal(encode(layers, batch)[real], encode(layers, other)[real])


def test_layer_picks_the_output_of_one_layer():
    layers = backbone().build_layers()
    layers.eval()
    batch = inputs()
    seen: list[np.ndarray] = []
    for number in range(3):
        layers.encoder.layers[number].register_forward_post_hook(lambda _, __, output: seen.append(output.numpy()))
    last = tokens_of(encode(layers, batch), batch)
    packed = [each if len(each) == len(last) else tokens_of(each.reshape(3, 9, 24), batch) for each in seen]

    for layer, index in ((0, 0), (1, 1), (2, 2), (-1, 2), (-3, 0)):
        assert np.array_equal(tokens_of(encode(layers, batch, layer), batch), packed[index])
    assert np.array_equal(last, packed[2])


def test_the_pooler_reads_the_first_token_of_the_picked_layer():
    layers = backbone().build_layers()
    layers.eval()
    outputs = layers(inputs(), layer=1)
    first = outputs["encoder_outputs"].numpy()[:, 0]
    dense = layers.pooler.dense

    expected = np.tanh(first @ dense.weight.numpy() + dense.bias.numpy())
    assert np.abs(outputs["sentence_embedding"].numpy() - expected).max() < 1e-6
    assert np.array_equal(outputs["sentence_embedding"].numpy(), outputs["sentence_pair_embedding"].numpy())


def test_word_embedding_is_the_row_of_the_table():
    layers = backbone().build_layers()
    batch = inputs()
    outputs = layers(batch)

    assert np.array_equal(
        outputs["word_embedding"].numpy(), outputs["embedding_table"].numpy()[batch["token_ids"].numpy()]
    )


def test_dropout_works_in_training_alone_and_obeys_the_seed():
    layers = backbone().build_layers()

    def run(seed: int) -> np.ndarray:
        paddle.seed(seed)
        return encode(layers, inputs())

    assert np.array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))
    layers.eval()
    assert np.array_equal(run(1), run(2))


def test_no_dropout_no_randomness():
    layers = backbone(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).build_layers()
    trained = encode(layers, inputs())
    layers.eval()

    assert np.array_equal(trained, encode(layers, inputs()))


@every_backbone
def test_fresh_weights_are_a_function_of_the_seed(name: str):
    def draw(seed: int) -> dict[str, np.ndarray]:
        paddle.seed(seed)
        return {key: parameter.numpy() for key, parameter in backbone(name).build_layers().named_parameters()}

    one, same, other = draw(1), draw(1), draw(2)
    assert all(np.array_equal(one[key], same[key]) for key in one)
    drawn = [key for key in one if key.endswith("weight") and "layer_norm" not in key]
    assert not any(np.array_equal(one[key], other[key]) for key in drawn)


def test_fresh_weights_are_normal_and_cut_off_at_two_deviations():
    paddle.seed(1)
    layers = backbone(vocab_size=4000, initializer_range=0.05).build_layers()
    state = {key: parameter.numpy() for key, parameter in layers.named_parameters()}
    table = state["embeddings.word_embeddings.weight"]

    assert np.abs(table).max() <= 0.1
    # Deviation of a normal distribution cut off at two deviations: 0.8796 of the uncut one.
    assert abs(table.std() / 0.05 - 0.8796) < 0.01
    assert abs(table.mean()) < 0.001
    for key, array in state.items():
        if key.endswith("bias"):
            assert not array.any(), key
        if key.endswith("layer_norm.weight"):
            assert (array == 1).all(), key


def test_ernie_adds_the_embedding_of_the_task():
    layers = backbone("ernie").build_layers()
    layers.eval()
    batch = inputs()
    other = {**batch, "task_ids": paddle.ones_like(batch["task_ids"])}

    assert np.abs(encode(layers, batch) - encode(layers, other)).max() > 1e-4
    table = layers.embeddings.task_type_embeddings.weight
    table.set_value(np.zeros(table.shape, "float32"))
    assert np.array_equal(encode(layers, batch), encode(layers, other))


def test_ernie_without_task_ids_is_bert():
    ernie, bert = backbone("ernie", use_task_id=False), backbone("bert")
    assert ernie.inputs_attr() == bert.inputs_attr()
    assert "task_ids" in backbone("ernie").inputs_attr()
    batch = {key: inputs()[key] for key in bert.inputs_attr()}

    def run(described: Backbone) -> np.ndarray:
        paddle.seed(4)
        layers = described.build_layers()
        layers.eval()
        return encode(layers, batch)

    assert np.array_equal(run(ernie), run(bert))


def test_published_configurations_of_ernie():
    tiny = {key: SIZES[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")}
    first = ErnieConfig(**tiny, hidden_act="relu", max_position_embeddings=513)
    second = ErnieConfig(**tiny, task_type_vocab_size="16", type_vocab_size=4)

    assert (first.hidden_act, first.use_task_id, first.task_type_vocab_size) == ("relu", True, 3)
    assert Ernie(second).build_layers().state_dict()["embeddings.task_type_embeddings.weight"].shape == [16, 24]
    assert encode(Ernie(first).build_layers(), inputs()).shape == (3, 9, 24)


def test_activations_differ():
    def run(activation: str) -> np.ndarray:
        paddle.seed(2)
        layers = backbone(hidden_act=activation, initializer_range=0.5).build_layers()
        layers.eval()
        return encode(layers, inputs())

    gelu, relu, tanh = run("gelu"), run("relu"), run("tanh")
    assert np.abs(gelu - relu).max() > 0.01
    assert np.abs(gelu - tanh).max() > 0.01


def test_another_kernel_can_compute_the_layers():
    calls: list[tuple[LayerSettings, Rows]] = []

    def identity(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: Rows) -> Tensor:
        calls.append((settings, rows))
        return hidden

    config = BertConfig(**SIZES)
    layers = TransformerEncoder(config, kernels=replace(PLAIN, compute_layer=identity))
    layers(inputs())
    training, rows = calls[0]
    layers.eval()
    layers(inputs(lengths=np.array([9, 9])))
    evaluating, full = calls[-1]

    assert len(calls) == 6
    assert (training.heads, training.hidden_dropout, training.attention_dropout) == (4, 0.1, 0.1)
    assert (evaluating.hidden_dropout, evaluating.attention_dropout) == (0.0, 0.0)
    assert (rows.batch, rows.seq, list(rows.mask.shape)) == (3, 9, [3, 1, 1, 9])
    assert np.array_equal(rows.mask.numpy()[:, 0, 0] == 0, np.arange(9) < LENGTHS[:, None])
    assert full.mask is None


def test_gradients_are_those_of_paddles_own_operations():
    """The whole encoder once more from nn.functional alone, and its gradients by Paddle's autograd."""
    layers = backbone(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.2).build_layers()
    batch = inputs()
    given = paddle.to_tensor(np.random.default_rng(1).normal(size=[3, 9, 24]), dtype="float32")

    def gradients(encoded: Tensor) -> dict[str, np.ndarray]:
        (encoded * given * batch["input_mask"].unsqueeze(-1)).sum().backward()
        found = {key: p.grad.numpy() for key, p in layers.named_parameters() if p.grad is not None}
        layers.clear_gradients()
        return found

    ours = gradients(layers(batch)["encoder_outputs"])
    theirs = gradients(reference(layers, batch))
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        assert np.abs(ours[name] - array).max() <= 1e-5 * max(np.abs(array).max(), 1e-3), name


def reference(layers: nn.Layer, batch: Mapping[str, Tensor]) -> Tensor:
    p = dict(layers.named_parameters())
    hidden = sum(
        functional.embedding(batch[key], p[f"embeddings.{table}_embeddings.weight"])
        for key, table in (("token_ids", "word"), ("position_ids", "position"), ("segment_ids", "token_type"))
    )

    def norm(values: Tensor, prefix: str) -> Tensor:
        return functional.layer_norm(
            values, [24], p[f"{prefix}.layer_norm.weight"], p[f"{prefix}.layer_norm.bias"], 1e-12
        )

    def dense(values: Tensor, name: str) -> Tensor:
        return functional.linear(values, p[f"{name}.weight"], p[f"{name}.bias"])

    hidden = norm(hidden, "embeddings")
    mask = (batch["input_mask"] - 1).unsqueeze([1, 2]) * 1e4
    for number in range(3):
        at = f"encoder.layers.{number}"
        query, key, value = (
            part.reshape([3, 9, 4, 6]).transpose([0, 2, 1, 3])
            for part in dense(hidden, f"{at}.attention.qkv").split(3, -1)
        )
        shares = functional.softmax(paddle.matmul(query, key, transpose_y=True) / 6**0.5 + mask)
        context = paddle.matmul(shares, value).transpose([0, 2, 1, 3]).reshape([3, 9, 24])
        hidden = norm(hidden + dense(context, f"{at}.attention.output"), f"{at}.attention")
        inner = functional.gelu(dense(hidden, f"{at}.ffn.intermediate"))
        hidden = norm(hidden + dense(inner, f"{at}.ffn.output"), f"{at}.ffn")
    return hidden


class Exported(nn.Layer):
    """The encoder with one argument an input."""

    def __init__(self, layers: nn.Layer) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, token_ids: Tensor, position_ids: Tensor, segment_ids: Tensor, input_mask: Tensor) -> Tensor:
        batch = {"token_ids": token_ids, "position_ids": position_ids, "segment_ids": segment_ids}
        return self.layers({**batch, "input_mask": input_mask})["encoder_outputs"]


@pytest.mark.skipif(static_graph_refusal() is not None, reason=str(static_graph_refusal()))
@pytest.mark.filterwarnings("ignore::UserWarning")  # of Paddle, about its own compiler
def test_a_static_graph_computes_the_same(tmp_path: Path):
    described = backbone()
    layers = described.build_layers()
    layers.eval()
    specs = [paddle.static.InputSpec([None, None], spec.dtype, name) for name, spec in described.inputs_attr().items()]
    static = paddle.jit.to_static(Exported(layers), input_spec=specs, full_graph=True)
    paddle.jit.save(static, str(tmp_path / "encoder"))
    loaded = paddle.jit.load(str(tmp_path / "encoder"))

    for batch in (inputs(), inputs(14), inputs(lengths=np.array([9, 9]))):
        found = loaded(*(batch[name] for name in described.inputs_attr())).numpy()
        assert np.abs(tokens_of(found - encode(layers, batch), batch)).max() < 1e-5
