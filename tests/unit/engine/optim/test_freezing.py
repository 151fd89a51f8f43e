"""Frozen layers, gradual unfreezing and layer-wise learning rates."""

import paddle
import pytest
from paddle import nn

from palm.engine.optim.freezing import encoder_kept, freeze, layer_of, unfreeze
from palm.engine.optim.optimizer import layer_lr_scales
from palm.schema.settings import TrainSettings


class Model(nn.Layer):
    """Parameters under PALM's names: embeddings, three layers, a pooler, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Layer()
        self.backbone.embeddings = nn.Linear(2, 2)
        self.backbone.encoder = nn.Layer()
        self.backbone.encoder.layers = nn.LayerList([nn.Linear(2, 2) for _ in range(3)])
        self.backbone.pooler = nn.Linear(2, 2)
        self.heads = nn.LayerDict({"a": nn.Linear(2, 2)})


def trainable(model: nn.Layer) -> set[int | None]:
    return {layer_of(name) for name, parameter in model.named_parameters() if not parameter.stop_gradient}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, {-1, 0, 1, 2, None}),
        ({"freeze_embeddings": True}, {0, 1, 2, None}),
        ({"freeze_layers": 2}, {-1, 2, None}),
        ({"freeze_layers": 3, "freeze_embeddings": True}, {None}),
    ],
)
def test_what_is_frozen(keys, expected):
    model = Model()
    freeze(model, TrainSettings(**keys))
    assert trainable(model) == expected
    freeze(model, TrainSettings())
    assert trainable(model) == {-1, 0, 1, 2, None}


def test_layers_train_from_the_last_to_the_embeddings():
    settings = TrainSettings(unfreeze_every_n_steps=2)
    model, seen = Model(), []
    for step in range(1, 11):
        unfreeze(model, settings, step)
        seen.append(trainable(model) - {None})
    assert seen == [set()] * 2 + [{2}] * 2 + [{1, 2}] * 2 + [{0, 1, 2}] * 2 + [{-1, 0, 1, 2}] * 2


def test_permanently_frozen_layers_stay_frozen():
    settings = TrainSettings(unfreeze_every_n_steps=1, freeze_layers=1, freeze_embeddings=True)
    model = Model()
    unfreeze(model, settings, 100)
    assert trainable(model) == {1, 2, None}


def test_the_rate_falls_from_layer_to_layer():
    names = [name for name, _ in Model().named_parameters() if name.endswith("weight")]
    assert layer_lr_scales(names, 0.5) == {
        "backbone.embeddings.weight": 0.125,
        "backbone.encoder.layers.0.weight": 0.25,
        "backbone.encoder.layers.1.weight": 0.5,
    }
    assert layer_lr_scales(names, 1.0) == {}


def test_a_frozen_encoder_includes_its_pooler():
    model = Model()
    freeze(model, TrainSettings(), encoder=True)
    assert {name for name, each in model.named_parameters() if not each.stop_gradient} == {
        "heads.a.weight",
        "heads.a.bias",
    }


def trained_names(model: nn.Layer) -> set[str]:
    return {name for name, each in model.named_parameters() if not each.stop_gradient}


def test_of_some_heads_only_parameters_with_a_prefix_train():
    model = Model()
    model.heads["b"] = nn.Linear(2, 2)
    model.heads["ab"] = nn.Linear(2, 2)
    freeze(model, TrainSettings(), heads={"a": ("bi",)})
    every = {name for name, _ in model.named_parameters()}
    assert trained_names(model) == every - {"heads.a.weight"}
    freeze(model, TrainSettings(), encoder=True, heads={"a": ("weight",), "b": ()})
    assert trained_names(model) == {"heads.a.weight", "heads.ab.weight", "heads.ab.bias"}


@pytest.mark.parametrize("kept", [True, False])
def test_a_kept_encoder_has_no_gradient_and_lets_one_through(kept):
    model = Model()
    model.backbone.embeddings.bias.stop_gradient = True  # it stays so
    before = trained_names(model)
    given = paddle.ones([1, 2])
    given.stop_gradient = False
    with encoder_kept(model, kept=kept):
        model.heads["a"](model.backbone.pooler(given)).sum().backward()
    found = {name for name, each in model.named_parameters() if each.grad is not None}
    own = {"heads.a.weight", "heads.a.bias"}
    assert found == (own if kept else own | {"backbone.pooler.weight", "backbone.pooler.bias"})
    assert given.grad is not None
    assert trained_names(model) == before


def test_a_kept_encoder_trains_again_after_an_error():
    model = Model()
    before = trained_names(model)
    with pytest.raises(KeyError), encoder_kept(model, kept=True):
        raise KeyError
    assert trained_names(model) == before
