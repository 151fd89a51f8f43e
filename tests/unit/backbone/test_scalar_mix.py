"""A learned mix of encoder layers."""

import numpy as np
import paddle
import pytest

from palm.backbone import Bert
from palm.backbone.scalar_mix import ScalarMix
from palm.data.dataset import LabelMap
from palm.engine.model import MultiTaskModel
from palm.engine.optim.optimizer import decays
from palm.paradigm import Classification
from palm.schema.fields import BackboneFields, ParadigmFields

SIZES = {
    "vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "max_position_embeddings": 8,
}  # fmt: skip
BATCH = {
    "token_ids": np.array([[2, 5, 6, 3], [2, 7, 3, 0]]),
    "position_ids": np.array([[0, 1, 2, 3]] * 2),
    "segment_ids": np.zeros((2, 4), "int64"),
    "input_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0]], "float32"),
}


def test_weights_become_shares():
    mix = ScalarMix([0, 2])
    mix.weight.set_value(paddle.to_tensor([float(np.log(3.0)), 0.0]))
    mix.scale.set_value(paddle.to_tensor([2.0]))

    found = mix([paddle.to_tensor([[4.0, 0.0]]), paddle.to_tensor([[0.0, 8.0]])])
    np.testing.assert_allclose(found.numpy(), [[2 * 0.75 * 4, 2 * 0.25 * 8]], rtol=1e-6)


@pytest.mark.parametrize(
    ("written", "numbers"),
    [("last", []), ("mix", [0, 1, 2]), ("0, -1", [0, 2]), ([2, 0], [0, 2]), ("-1,2,1", [1, 2])],
)
def test_layers_are_written_by_name_or_number(written, numbers):
    assert ParadigmFields(layers=written).mixed_layers(3) == numbers


@pytest.mark.parametrize("written", ["first", "1", "mix, 2", "0, --1", "0, ½", []])
def test_other_layers_are_refused(written):
    with pytest.raises(ValueError, match="at least two indices"):
        ParadigmFields(layers=written)


class Task:
    """What the model asks of a task."""

    def __init__(self, layers: str) -> None:
        self.head = "c"
        self.paradigm = Classification(Classification.Config(layers=layers, pooling="mean"), LabelMap(("否", "是")))


@pytest.mark.parametrize("kernels", ["plain", "auto"])
def test_a_fresh_mix_is_the_mean_of_its_layers(kernels):
    model = MultiTaskModel(Bert(BackboneFields(**SIZES, kernels=kernels)), [Task("0, 2")], seed=1)
    model.eval()
    single = [model.encode(BATCH, layer=layer)["encoder_outputs"].numpy() for layer in (0, 2)]
    mixed = model.encode(BATCH, head="c")

    np.testing.assert_allclose(mixed["encoder_outputs"].numpy(), (single[0] + single[1]) / 2, atol=1e-6)


@pytest.mark.parametrize("kernels", ["plain", "auto"])
def test_a_mix_learns_and_so_do_the_layers_it_takes(kernels):
    backbone_config = BackboneFields(**SIZES, kernels=kernels, hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    model = MultiTaskModel(Bert(backbone_config), [Task("0,1")], seed=1)
    model.train()
    mix = model.task_modules("c")["mix"]
    (model.encode(BATCH, head="c")["encoder_outputs"] ** 3).sum().backward()
    layers = model.backbone.encoder.layers

    assert paddle.abs(mix.weight.grad).sum() > 0
    assert paddle.abs(mix.scale.grad).sum() > 0
    reached = [layer.ffn.output.weight.grad is not None for layer in layers]
    assert reached == [True, True, False]  # what lies above the mix is not run


def test_without_the_key_a_model_has_no_mix():
    model = MultiTaskModel(Bert(BackboneFields(**SIZES)), [Task("last")], seed=1)

    assert model.task_modules("c") == {}
    assert not any("scalar_mix" in name for name in model.state_dict())


def test_weight_decay_leaves_the_mix_alone():
    assert not decays("heads.c.scalar_mix.weight")
    assert not decays("heads.c.scalar_mix.scale")
