import numpy as np
import paddle
import pytest
from paddle import nn

from palm.engine.optim import OPTIMIZERS
from palm.engine.optim.base import OwnSettings
from palm.engine.optim.optimizer import Optimizer, decays, head_lr_scales
from palm.kernels.choice import choose_kernels


class Model(nn.Layer):
    def __init__(self):
        super().__init__()
        paddle.seed(3)
        self.backbone = nn.Linear(3, 2)
        self.heads = nn.LayerDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})

    def forward(self, features, head):
        return self.heads[head](self.backbone(features))


@pytest.fixture(params=["plain", "fused"])
def kernels(request):
    if request.param == "fused" != choose_kernels("auto").name:
        pytest.skip("no fused kernels")
    return request.param


def adam(model, *, kernels, lr_scales=None, own=None, **keys):
    rule = OPTIMIZERS["adam"]
    return Optimizer(model, rule, rule.Config(**keys), lr_scales=lr_scales, own=own, kernels=kernels)


FEATURES = paddle.to_tensor(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"))


def train(model, optimizer, heads, rate=0.1):
    for head in heads:
        (model(FEATURES, head) ** 2).mean().backward()
        optimizer.step(rate)


def weights(model):
    return {name: parameter.numpy().copy() for name, parameter in model.state_dict().items()}


def test_one_step_is_that_of_the_paper(kernels):
    """AdamW, arXiv:1711.05101 algorithm 2, computed by hand for the first step: m̂ = g, v̂ = g²."""
    model = Model()
    optimizer = adam(model, kernels=kernels, weight_decay=0.5, max_grad_norm=0)
    before = weights(model)
    (model(FEATURES, "a") ** 2).mean().backward()
    gradients = {name: gradient.numpy().copy() for name, gradient in optimizer.gradients().items()}
    optimizer.step(0.1)
    for name, gradient in gradients.items():
        decay = 0.5 if name.endswith("weight") else 0.0
        wanted = before[name] * (1 - 0.1 * decay) - 0.1 * gradient / (np.abs(gradient) + 1e-8)
        assert weights(model)[name] == pytest.approx(wanted, abs=1e-5), name


def test_clipping_scales_all_gradients_to_the_norm(kernels):
    """Adam's first step hardly depends on the gradient's size, so the slots are looked at: m = 0.1 g."""
    model = Model()
    optimizer = adam(model, kernels=kernels, max_grad_norm=0.01)
    (model(FEATURES, "a") ** 2).mean().backward()
    gradients = {name: gradient.numpy().copy() for name, gradient in optimizer.gradients().items()}
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    assert norm > 0.01
    optimizer.step(0.1)
    for name, gradient in gradients.items():
        assert optimizer.state()[f"{name}.moment1"].numpy() == pytest.approx(0.1 * gradient * 0.01 / norm, rel=1e-4)


def test_a_head_without_gradient_and_its_slots_stay(kernels):
    model = Model()
    optimizer = adam(model, kernels=kernels, weight_decay=0.5)
    before = weights(model)
    train(model, optimizer, "aaa")
    after = weights(model)
    assert np.array_equal(before["heads.b.weight"], after["heads.b.weight"])
    assert not np.array_equal(before["heads.a.weight"], after["heads.a.weight"])
    assert not any(name.startswith("heads.b") for name in optimizer.state())


@pytest.mark.parametrize("stop", range(5))
def test_restored_slots_continue_to_the_same_bits(stop, kernels):
    heads = "aabab"
    whole = Model()
    train(whole, adam(whole, kernels=kernels), heads)
    first = Model()
    optimizer = adam(first, kernels=kernels)
    train(first, optimizer, heads[:stop])
    second = Model()
    second.set_state_dict(first.state_dict())
    resumed = adam(second, kernels=kernels)
    resumed.restore({name: paddle.to_tensor(slot.numpy()) for name, slot in optimizer.state().items()})
    assert set(resumed.state()) == set(optimizer.state())
    train(second, resumed, heads[stop:])
    for name, value in weights(whole).items():
        assert np.array_equal(value, weights(second)[name]), name


def test_lr_scale_of_a_head_scales_its_step_alone(kernels):
    plain, scaled = Model(), Model()
    train(plain, adam(plain, kernels=kernels), "a")
    train(scaled, adam(scaled, kernels=kernels, lr_scales=head_lr_scales([("a", 3.0), ("b", 1.0)])), "a")
    start = weights(Model())
    moved = [weights(model)["heads.a.weight"] - start["heads.a.weight"] for model in (plain, scaled)]
    assert moved[1] == pytest.approx(3 * moved[0], rel=1e-4)
    assert np.array_equal(weights(plain)["backbone.weight"], weights(scaled)["backbone.weight"])


@pytest.mark.parametrize(
    ("name", "decayed"),
    [
        ("backbone.encoder.layers.0.ffn.output.weight", True),
        ("heads.c.linear.bias", False),
        ("heads.s.lstm.bias_ih_l0_reverse", False),
        ("heads.s.lstm.weight_hh_l0", True),
        ("backbone.embeddings.layer_norm.weight", False),
    ],
)
def test_weight_decay_leaves_biases_and_layer_norm_out(name, decayed):
    assert decays(name) is decayed


@pytest.mark.parametrize(
    "keys", [{}, {"adam_beta1": 0.5, "adam_beta2": 0.9, "adam_epsilon": 1e-3}], ids=["usual", "own"]
)
def test_both_kernels_compute_the_same_updates(keys):
    """Idle heads, clipping, decay and a head's own rate included; slots of one restore in the other."""
    if choose_kernels("auto").name != "fused":
        pytest.skip("no fused kernels")
    settings = {
        **keys,
        "weight_decay": 0.1,
        "max_grad_norm": 0.3,
        "lr_scales": head_lr_scales([("a", 3.0), ("b", 1.0)]),
    }
    models = {}
    for first, then in (("plain", "plain"), ("fused", "fused"), ("plain", "fused"), ("fused", "plain")):
        model = Model()
        optimizer = adam(model, kernels=first, **settings)
        train(model, optimizer, "aab", rate=0.01)
        second = Model()
        second.set_state_dict(model.state_dict())
        other = adam(second, kernels=then, **settings)
        other.restore({name: slot.clone() for name, slot in optimizer.state().items()})
        train(second, other, "abba", rate=0.01)
        models[first, then] = weights(second)
    wanted = models.pop(("plain", "plain"))
    for pair, found in models.items():
        for name, value in wanted.items():
            assert found[name] == pytest.approx(value, abs=2e-6), (pair, name)


class Table(nn.Layer):
    def __init__(self):
        super().__init__()
        paddle.seed(3)
        self.words = nn.Embedding(5000, 7)

    def forward(self, ids):
        return (self.words(paddle.to_tensor(ids)) ** 2).sum()


def test_rows_that_no_batch_touched_yet_are_updated_as_all_others():
    """Rows appear in the first, in a later or in no batch; slots and decay of each are those of Paddle's own update."""
    if choose_kernels("auto").name != "fused":
        pytest.skip("no fused kernels")
    found = {}
    for kernels in ("plain", "fused"):
        model = Table()
        optimizer = adam(model, kernels=kernels, weight_decay=0.1, max_grad_norm=0)
        for number, ids in enumerate([[1, 4999], [2, 2, 1], [4999, 3], [7]]):
            if number == 2:  # a resume finds out which rows are known from their slots
                state = optimizer.state()
                optimizer = adam(Table(), kernels=kernels, weight_decay=0.1, max_grad_norm=0)
                second = optimizer._parameters["words.weight"]
                second.set_value(model.words.weight)
                optimizer.restore({name: slot.clone() for name, slot in state.items()})
                model = optimizer._model
            model(ids).backward()
            optimizer.step(0.01)
        found[kernels] = {"weight": model.words.weight.numpy(), **{k: v.numpy() for k, v in optimizer.state().items()}}
    assert found["fused"].keys() == found["plain"].keys()
    for name, value in found["plain"].items():
        assert found["fused"][name] == pytest.approx(value, abs=2e-6), name
    untouched = Table().words.weight.numpy()[4000] * (1 - 0.01 * 0.1) ** 4
    assert found["fused"]["weight"][4000] == pytest.approx(untouched, rel=1e-5)


@pytest.mark.parametrize("size", [1e-3, 1e-22, 1e-30, -1e-44, 0.0])
def test_a_row_whose_second_moment_is_lost_resumes_to_the_same_bits(size, kernels):
    """1e-22 squared is 0 in float32, and so is the first moment of 1e-44: its sign alone remains."""

    def table():
        paddle.seed(3)
        model = nn.Embedding(5000, 8)
        return model, adam(model, kernels=kernels, weight_decay=0.1, max_grad_norm=0)

    def step(model, optimizer, row, gradient):
        given = np.zeros((5000, 8), "float32")
        given[row, ::2] = gradient
        optimizer.set_gradients({"weight": paddle.to_tensor(given)})
        optimizer.step(0.1)

    whole, optimizer = table()
    step(whole, optimizer, 4321, size)
    saved = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    resumed, restored = table()
    resumed.set_state_dict({name: tensor.clone() for name, tensor in whole.state_dict().items()})
    restored.restore(saved)
    for model, own in ((whole, optimizer), (resumed, restored)):
        for _ in range(3):
            step(model, own, 7, 1.0)
    assert resumed.weight.numpy().tobytes() == whole.weight.numpy().tobytes()
    for name, tensor in optimizer.state().items():
        assert restored.state()[name].numpy().tobytes() == tensor.numpy().tobytes(), name


def test_gradients_that_are_set_replace_all_others(kernels):
    model = Model()
    model.heads["b"].bias.stop_gradient = True  # it does not train
    optimizer = adam(model, kernels=kernels)
    (model(FEATURES, "a") ** 2).mean().backward()
    ones = paddle.ones([2])

    optimizer.set_gradients({"heads.b.bias": ones, "backbone.bias": ones})
    assert {name: gradient.tolist() for name, gradient in optimizer.gradients().items()} == {
        "backbone.bias": [1.0, 1.0]
    }
    assert model.heads["b"].bias.grad is None

    optimizer.set_gradients({})
    assert optimizer.gradients() == {}


def test_dropped_gradients_are_none_rather_than_zero(kernels):
    model = Model()
    optimizer = adam(model, kernels=kernels)
    (model(FEATURES, "a") ** 2).mean().backward()
    optimizer.drop_gradients()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is not None] == []


OWN = OwnSettings(weight_decay=0.25, adam_beta1=0.5, adam_beta2=0.75, adam_epsilon=1e-2)
PROMPT = {"own": {"heads.a.": OWN}, "lr_scales": {"heads.a.": 20.0}}


def adamw_by_hand(weights, gradients, *, rate, decay, betas, epsilon):
    """Algorithm 2 of arXiv:1711.05101 in float64, with epsilon as in Adam's paper (arXiv:1412.6980, algorithm 1)."""
    mean, square, found = 0.0, 0.0, weights.astype("float64")
    for step, gradient in enumerate(gradients, 1):
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        unbiased = mean / (1 - betas[0] ** step), square / (1 - betas[1] ** step)
        found = found - rate * decay * found - rate * unbiased[0] / (np.sqrt(unbiased[1]) + epsilon)
    return found


def test_parameters_with_settings_of_their_own_have_all_of_them(kernels):
    model = Model()
    optimizer = adam(model, kernels=kernels, weight_decay=0.5, max_grad_norm=0.0, **PROMPT)
    before = weights(model)
    given = [{name: np.full_like(value, size) for name, value in before.items()} for size in (1.0, -0.25, 3.0)]
    for gradients in given:
        optimizer.set_gradients({name: paddle.to_tensor(value) for name, value in gradients.items()})
        optimizer.step(0.01)
    usual = {"rate": 0.01, "decay": 0.5, "betas": (0.9, 0.999), "epsilon": 1e-8}
    own = {"rate": 0.2, "decay": 0.25, "betas": (0.5, 0.75), "epsilon": 1e-2}
    for name, value in weights(model).items():
        keys = dict(own if name.startswith("heads.a.") else usual)
        keys["decay"] *= name.endswith("weight")
        wanted = adamw_by_hand(before[name], [gradients[name] for gradients in given], **keys)
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6, err_msg=name)


def test_one_norm_clips_all_gradients_whatever_their_settings(kernels):
    """Of 20 gradients of 2 the norm is √80; a first moment is the factor 1 - β₁ of what is left."""
    model = Model()
    optimizer = adam(model, kernels=kernels, max_grad_norm=0.5, **PROMPT)
    gradients = {name: paddle.full_like(value, 2.0) for name, value in model.state_dict().items()}
    assert sum(gradient.size for gradient in gradients.values()) == 20
    optimizer.set_gradients(gradients)
    optimizer.step(0.01)
    left = 2.0 * 0.5 / np.sqrt(80.0)
    for name in gradients:
        share = 0.5 if name.startswith("heads.a.") else 0.1
        assert optimizer.state()[f"{name}.moment1"].numpy() == pytest.approx(share * left, rel=1e-4), name


@pytest.mark.parametrize("stop", range(4))
def test_settings_of_their_own_resume_to_the_same_bits(stop, kernels):
    heads = "abba"
    whole = Model()
    train(whole, adam(whole, kernels=kernels, weight_decay=0.1, **PROMPT), heads)
    first = Model()
    optimizer = adam(first, kernels=kernels, weight_decay=0.1, **PROMPT)
    train(first, optimizer, heads[:stop])
    second = Model()
    second.set_state_dict(first.state_dict())
    resumed = adam(second, kernels=kernels, weight_decay=0.1, **PROMPT)
    resumed.restore({name: paddle.to_tensor(slot.numpy()) for name, slot in optimizer.state().items()})
    assert set(resumed.state()) == set(optimizer.state())
    train(second, resumed, heads[stop:])
    for name, value in weights(whole).items():
        assert np.array_equal(value, weights(second)[name]), name


def test_both_kernels_update_settings_of_their_own_alike():
    if choose_kernels("auto").name != "fused":
        pytest.skip("no fused kernels")
    found = []
    for kernels in ("plain", "fused"):
        model = Model()
        train(model, adam(model, kernels=kernels, weight_decay=0.1, max_grad_norm=0.3, **PROMPT), "abaab", rate=0.01)
        found.append(weights(model))
    for name, value in found[0].items():
        assert found[1][name] == pytest.approx(value, abs=2e-6), name


def test_equal_settings_of_their_own_leave_the_bits_as_they_are(kernels):
    """The values of the rule, given as settings of their own."""
    same = OwnSettings(weight_decay=0.1, adam_beta1=0.9, adam_beta2=0.999, adam_epsilon=1e-8)
    found = []
    for own in ({}, {"heads.a.": same}):
        model = Model()
        train(model, adam(model, kernels=kernels, weight_decay=0.1, max_grad_norm=0.0, own=own), "aba")
        found.append(weights(model))
    for name, value in found[0].items():
        assert np.array_equal(found[1][name], value), name


def test_the_first_prefix_that_fits_counts(kernels):
    """As the prompt parameters of a head do before all of it."""
    model, plain = Model(), Model()
    scales = {"heads.a.bias": 5.0, **head_lr_scales([("a", 3.0)])}
    train(model, adam(model, kernels=kernels, lr_scales=scales), "a")
    train(plain, adam(plain, kernels=kernels), "a")
    start = weights(Model())
    for name, factor in (("heads.a.bias", 5.0), ("heads.a.weight", 3.0), ("backbone.weight", 1.0)):
        moved = [weights(each)[name] - start[name] for each in (model, plain)]
        assert moved[0] == pytest.approx(factor * moved[1], rel=1e-4), name
