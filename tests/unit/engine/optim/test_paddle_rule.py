"""Optimizers of Paddle as components: the same updates as Paddle's, clipped by PALM, resumed to the same bits."""

import numpy as np
import paddle
import pytest
from paddle import nn

from palm.engine.optim import OptimizerFields, PaddleUpdateRule
from palm.engine.optim.base import OwnSettings
from palm.engine.optim.optimizer import Optimizer, head_lr_scales

FEATURES = paddle.to_tensor(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"))


def rule_of(make):
    class Rule(PaddleUpdateRule):
        def build(self, parameter, weight_decay):
            return make(parameters=[parameter], learning_rate=1.0, weight_decay=weight_decay)

    return Rule


class Model(nn.Layer):
    def __init__(self):
        super().__init__()
        paddle.seed(3)
        self.backbone = nn.Linear(3, 2)
        self.heads = nn.LayerDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})

    def forward(self, features, head):
        return self.heads[head](self.backbone(features))


def made(make, model, *, lr_scales=None, own=None, **keys):
    return Optimizer(model, rule_of(make), OptimizerFields(**keys), lr_scales=lr_scales, own=own)


def train(model, optimizer, heads, rate=0.1):
    for head in heads:
        (model(FEATURES, head) ** 2).mean().backward()
        optimizer.step(rate)


def weights(model):
    return {name: parameter.numpy().copy() for name, parameter in model.state_dict().items()}


def momentum(**keys):
    return paddle.optimizer.Momentum(momentum=0.9, **keys)


def rmsprop(**keys):
    return paddle.optimizer.RMSProp(momentum=0.5, **keys)


KINDS = [momentum, rmsprop, paddle.optimizer.Adam, paddle.optimizer.Lamb, paddle.optimizer.SGD]


def lamb_keys(make, keys):
    """Lamb calls its decay otherwise."""
    return {"lamb_weight_decay": keys.pop("weight_decay"), **keys} if make is paddle.optimizer.Lamb else keys


@pytest.fixture(params=KINDS, ids=lambda make: make.__name__)
def kind(request):
    return lambda **keys: request.param(**lamb_keys(request.param, keys))


def test_two_steps_are_those_of_paddle(kind):
    theirs = Model()
    optimizer = kind(parameters=theirs.parameters(), learning_rate=0.1, weight_decay=0.0)
    for _ in range(2):
        (theirs(FEATURES, "a") ** 2).mean().backward()
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)
    ours = Model()
    train(ours, made(kind, ours, max_grad_norm=0), "aa")
    for name, value in weights(theirs).items():
        assert np.array_equal(weights(ours)[name], value), name


@pytest.mark.parametrize("stop", range(5))
def test_restored_state_continues_to_the_same_bits(kind, stop):
    heads = "aabab"
    whole = Model()
    train(whole, made(kind, whole), heads)
    first = Model()
    optimizer = made(kind, first)
    train(first, optimizer, heads[:stop])
    second = Model()
    second.set_state_dict(first.state_dict())
    resumed = made(kind, second)
    resumed.restore({name: paddle.to_tensor(value.numpy()) for name, value in optimizer.state().items()})
    for name, value in optimizer.state().items():
        assert np.array_equal(resumed.state()[name].numpy(), value.numpy()), name
    assert set(resumed.state()) == set(optimizer.state())
    train(second, resumed, heads[stop:])
    for name, value in weights(whole).items():
        assert np.array_equal(value, weights(second)[name]), name


def test_a_head_without_gradient_and_its_state_stay():
    model = Model()
    optimizer = made(momentum, model, weight_decay=0.5)
    before = weights(model)
    train(model, optimizer, "aa")
    assert np.array_equal(before["heads.b.weight"], weights(model)["heads.b.weight"])
    assert {name.rpartition(".")[0] for name in optimizer.state()} == {
        "backbone.weight", "backbone.bias", "heads.a.weight", "heads.a.bias",
    }  # fmt: skip


def test_gradients_are_clipped_to_the_norm_of_all():
    """A step of SGD with the rate 1 moves all parameters together by the norm of what is left of the gradients."""
    model = Model()
    before = weights(model)
    train(model, made(paddle.optimizer.SGD, model, max_grad_norm=0.01), "a", rate=1.0)
    moved = np.sqrt(sum(((before[name] - value) ** 2).sum() for name, value in weights(model).items()))
    assert moved == pytest.approx(0.01, rel=1e-4)


def test_decay_spares_biases_and_a_head_has_its_own_rate():
    seen = {}

    def sgd(parameters, learning_rate, weight_decay):
        seen[parameters[0].name] = weight_decay
        return paddle.optimizer.SGD(learning_rate, parameters)

    model, plain = Model(), Model()
    train(model, made(sgd, model, weight_decay=0.5, lr_scales=head_lr_scales([("a", 3.0)])), "a")
    train(plain, made(paddle.optimizer.SGD, plain), "a")
    assert seen[model.backbone.weight.name] == 0.5
    assert seen[model.backbone.bias.name] == 0.0
    start = weights(Model())
    moved = [weights(each)["heads.a.weight"] - start["heads.a.weight"] for each in (model, plain)]
    assert moved[0] == pytest.approx(3 * moved[1], rel=1e-4)


def test_some_parameters_have_a_decay_of_their_own():
    seen = {}

    def sgd(parameters, learning_rate, weight_decay):
        seen[parameters[0].name] = weight_decay
        return paddle.optimizer.SGD(learning_rate, parameters)

    model = Model()
    own = OwnSettings(weight_decay=0.25, adam_beta1=0.1, adam_beta2=0.1, adam_epsilon=0.1)
    train(model, made(sgd, model, weight_decay=0.5, own={"heads.a.": own}), "ab")
    heads = model.heads
    decays = [
        seen[each.name] for each in (model.backbone.weight, heads["a"].weight, heads["a"].bias, heads["b"].weight)
    ]
    assert decays == [0.5, 0.25, 0.0, 0.5]
