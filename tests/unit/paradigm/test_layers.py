"""Pooling and the kinds of head on whole texts: by hand."""

import math

import numpy as np
import paddle
import pytest

from palm.data.dataset import LabelMap
from palm.paradigm import Classification, Matching
from palm.paradigm.base import Paradigm
from palm.schema.fields import BackboneFields

SIZES = BackboneFields(vocab_size=11, hidden_size=2, num_hidden_layers=1, num_attention_heads=1)
ENCODED = [[[1.0, -2.0], [3.0, 0.0], [99.0, 99.0]], [[-1.0, -5.0], [-3.0, -1.0], [-2.0, -3.0]]]
MASK = [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
INPUTS = {"encoder_outputs": ENCODED, "input_mask": MASK}


def tensors(inputs: dict[str, object]) -> dict[str, paddle.Tensor]:
    return {name: paddle.to_tensor(value, "float32", stop_gradient=False) for name, value in inputs.items()}


def build(paradigm: type[Paradigm], **keys: object) -> tuple[Paradigm, paddle.nn.Layer]:
    built = paradigm(paradigm.Config(dropout_prob=0.0, **keys), LabelMap(("否", "是")))
    layers = built.build_layers(SIZES)
    layers.linear.weight.set_value(paddle.eye(2))
    return built, layers


@pytest.mark.parametrize("paradigm", [Classification, Matching])
@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("mean", [[2.0, -1.0], [-2.0, -3.0]]), ("max", [[3.0, 0.0], [-1.0, -1.0]])],
)
def test_padding_has_no_part_in_mean_and_max(paradigm, pooling, expected):
    built, layers = build(paradigm, pooling=pooling)

    found = built.forward(layers, tensors(INPUTS), "train")["logits"]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_attention_weighs_tokens_by_their_scores():
    built, layers = build(Classification, pooling="attention")
    layers.attention_pooling.weight.set_value(paddle.to_tensor([[math.log(3.0) / 2], [0.0]]))
    # Scores of row 1: ln 3 / 2 and 3 ln 3 / 2, so shares 1/4 and 3/4.
    found = built.forward(layers, tensors(INPUTS), "train")["logits"][0]

    np.testing.assert_allclose(found.numpy(), [0.25 * 1 + 0.75 * 3, 0.25 * -2], rtol=1e-6)


def test_an_mlp_is_two_layers_with_a_tanh_between():
    built, layers = build(Classification, head="mlp")
    layers.inner.weight.set_value(paddle.to_tensor([[0.5, 0.0], [0.0, -1.0]]))
    layers.inner.bias.set_value(paddle.to_tensor([0.0, 1.0]))
    found = built.forward(layers, tensors({"sentence_embedding": [[2.0, 3.0]]}), "train")["logits"]

    np.testing.assert_allclose(found.numpy(), [[math.tanh(1.0), math.tanh(-2.0)]], rtol=1e-6)


def test_the_inner_width_can_be_chosen():
    built = Classification(Classification.Config(head="mlp", head_hidden_size=5), LabelMap(("a", "b", "c")))
    shapes = {name: list(p.shape) for name, p in built.build_layers(SIZES).named_parameters()}

    assert shapes == {"linear.weight": [5, 3], "linear.bias": [3], "inner.weight": [2, 5], "inner.bias": [5]}


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "attention"])
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_gradients_reach_every_parameter(pooling, head):
    built = Classification(Classification.Config(pooling=pooling, head=head), LabelMap(("a", "b")))
    layers = built.build_layers(SIZES)
    inputs = tensors({"sentence_embedding": [[1.0, 2.0], [0.5, -1.0]]} if pooling == "cls" else INPUTS)
    inputs["label_ids"] = paddle.to_tensor([0, 1])
    built.loss(built.forward(layers, inputs, "train"), inputs).backward()

    assert [name for name, p in layers.named_parameters() if not paddle.abs(p.grad).sum() > 0] == []


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
def test_what_pooling_takes_is_declared(pooling):
    built = Matching(Matching.Config(pooling=pooling))

    assert set(built.backbone_inputs()) == {"encoder_outputs"}
    assert set(built.reader_inputs("predict")) == {"input_mask"}
    assert set(built.reader_inputs("train")) == {"input_mask", "label_ids"}


def test_heads_of_another_kind_cannot_be_shared():
    labels = LabelMap(("a", "b"))
    kinds: list[dict[str, object]] = [{}, {"head": "mlp"}, {"head": "mlp", "head_hidden_size": 3}]
    kinds += [{"pooling": "attention"}]
    shapes = [Classification(Classification.Config(**keys), labels).head_shape(SIZES) for keys in kinds]

    assert len(set(shapes)) == len(kinds)
    assert (
        Classification(Classification.Config(pooling="mean"), labels).head_shape(SIZES) == shapes[0]
    )  # nothing more to learn


@pytest.mark.parametrize("head", ["bilstm", "crf", "bilstm_crf"])
def test_heads_on_words_are_refused(head):
    with pytest.raises(ValueError, match=f"a head on whole texts must be linear or mlp, found `{head}`"):
        Classification.Config(head=head)
