"""SMART's regulariser: by hand, against PyTorch, and what it leaves alone."""

import math

import numpy as np
import paddle
import pytest
from paddle import nn

from palm.engine.regularizers.smart import parameters_fixed, smart_penalty
from palm.errors import TrainingError
from palm.paradigm import Classification, Regression

EPSILON = 0.1


def texts(*embeddings):
    """The words' embeddings of a batch, [batch seq hidden]."""
    return paddle.to_tensor(np.array(embeddings, "float32"))


CLASSES, NUMBERS = Classification(Classification.Config(n_classes=2)), Regression(Regression.Config())


def rough(model, run, words, paradigm=CLASSES):
    def shifted(shift):
        return run(words + shift)

    return smart_penalty(model, paradigm, shifted, run(words), {"word_embedding": words}, epsilon=EPSILON)


def test_of_a_number_the_shift_is_the_longest_one_there_is():
    model = nn.Linear(2, 1)
    model.weight.set_value(paddle.to_tensor([[2.0], [-2.0]]))
    paddle.seed(3)

    def values(words):
        return {"values": model(words).flatten()}

    # Both coordinates go as far as they may: ±0.1 · (2 + 2), squared, the same for either direction.
    assert float(rough(model, values, texts([[1.0, 5.0]]), NUMBERS)) == pytest.approx(0.4**2, rel=1e-5)


def test_of_two_labels_it_is_the_sum_of_both_divergences():
    model = nn.Linear(1, 2, bias_attr=False)
    model.weight.set_value(paddle.to_tensor([[3.0, 0.0]]))
    paddle.seed(3)

    def logits(words):
        return {"logits": model(words).sum(1)}

    def distance(one, other):
        p, q = (1 / (1 + math.exp(-value)) for value in (one, other))
        return (p - q) * (one - other)  # KL(p|q) + KL(q|p) of two labels

    found = float(rough(model, logits, texts([[0.0]])))
    assert found == pytest.approx(distance(0.3, 0.0), rel=1e-4)


def test_it_equals_pytorch():
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(5)
    first, second = generator.normal(size=(6, 8)), generator.normal(size=(8, 3))
    words = generator.normal(size=(4, 5, 6)).astype("float32")
    one, two = (paddle.to_tensor(array.astype("float32"), stop_gradient=False) for array in (first, second))
    model = nn.Layer()
    model.one = paddle.create_parameter([6, 8], "float32")
    model.two = paddle.create_parameter([8, 3], "float32")
    model.one.set_value(one)
    model.two.set_value(two)
    paddle.seed(11)
    found = rough(
        model, lambda x: {"logits": (paddle.tanh(x @ model.one) @ model.two).mean(1)}, paddle.to_tensor(words)
    )
    found.backward()

    paddle.seed(11)
    seed = int(paddle.randint(0, 2**31 - 1, []))
    by_row = [np.random.Generator(np.random.SFC64([seed, row])).standard_normal((5, 6), "float32") for row in range(4)]
    start = torch.tensor(np.stack(by_row) * np.float32(EPSILON), requires_grad=True)
    weights = [torch.tensor(array.astype("float32"), requires_grad=True) for array in (first, second)]

    def logs(x):
        return torch.log_softmax((torch.tanh(x @ weights[0]) @ weights[1]).mean(1), -1)

    def distance(a, b):
        ways = [torch.nn.functional.kl_div(p, q, log_target=True, reduction="batchmean") for p, q in ((a, b), (b, a))]
        return sum(ways)

    clean = torch.tensor(words)
    (gradient,) = torch.autograd.grad(distance(logs(clean).detach(), logs(clean + start)), start)
    step = EPSILON * gradient / gradient.abs().amax(-1, keepdim=True)
    worst = (start.detach() + step).clamp(-EPSILON, EPSILON)
    wanted = distance(logs(clean), logs(clean + worst))
    wanted.backward()

    assert float(found) == pytest.approx(float(wanted.detach()), rel=1e-4)
    for ours, theirs in zip((model.one, model.two), weights, strict=True):
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-3, atol=1e-6)


def test_the_search_leaves_the_parameters_alone():
    model = nn.Linear(2, 2)
    model.bias.stop_gradient = True
    seen = []

    def run(words):
        seen.append([parameter.stop_gradient for parameter in model.parameters()])
        return {"logits": model(words).sum(1)}

    rough(model, run, texts([[1.0, 2.0]]))
    assert seen == [[False, True], [True, True], [False, True]]  # as it is, the search, at the worst shift
    assert [parameter.grad for parameter in model.parameters()] == [None, None]


def test_a_backbone_that_takes_no_shift():
    model, words = nn.Linear(2, 2), texts([[1.0, 2.0]])
    independent = {"logits": model(words).sum(1)}
    with pytest.raises(TrainingError, match=r"smart_weight shifts the word embeddings.* Leave the key out"):
        smart_penalty(
            model, CLASSES, lambda shift: independent, independent, {"word_embedding": words}, epsilon=EPSILON
        )


def test_the_search_leaves_no_gradient_of_an_lstm_where_none_was():
    """Zeros in its place would move the head of another task that has no batch in this step."""
    model = nn.Sequential(nn.LSTM(2, 3))
    with parameters_fixed(model):
        model(paddle.ones([1, 2, 2]))[0].sum().backward()
        assert any(parameter.grad is not None for parameter in model.parameters())
    assert [parameter.grad for parameter in model.parameters()] == [None] * len(model.parameters())


def test_the_search_puts_the_gradient_of_an_lstm_back():
    model = nn.Sequential(nn.LSTM(2, 3))
    model(paddle.ones([1, 2, 2]))[0].sum().backward()
    before = [parameter.grad.numpy().copy() for parameter in model.parameters()]
    with parameters_fixed(model):
        model(paddle.ones([1, 2, 2]) * 2)[0].sum().backward()
    assert all(np.array_equal(one.grad.numpy(), two) for one, two in zip(model.parameters(), before, strict=True))
