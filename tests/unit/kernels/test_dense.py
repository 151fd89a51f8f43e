"""Linear maps and attention probabilities of layers that are not fused, against Paddle's own operations."""

from contextlib import nullcontext

import numpy as np
import paddle
import pytest
from paddle.nn import functional

from palm.kernels.dense import activation, attention_probabilities, linear, vocabulary_scores
from palm.kernels.fused.bf16 import emulated_product
from palm.kernels.products import bf16_products


def tensor(*shape: int, seed: int = 0) -> paddle.Tensor:
    values = np.random.default_rng([seed, *shape]).normal(size=shape).astype("float32")
    return paddle.to_tensor(values, stop_gradient=False)


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_map_and_its_gradients_are_those_of_paddle(bias: bool) -> None:
    def run(function) -> list[np.ndarray]:
        given = [tensor(7, 5), tensor(5, 3), tensor(3) if bias else None]
        mapped = function(*given)
        (mapped * tensor(7, 3, seed=1).detach()).sum().backward()
        return [mapped.numpy(), *(each.grad.numpy() for each in given if each is not None)]

    for ours, theirs in zip(run(linear), run(functional.linear), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_frozen_parameters_get_no_gradient() -> None:
    rows, weight, bias = tensor(7, 5), tensor(5, 3).detach(), tensor(3)
    linear(rows, weight, bias).sum().backward()

    assert weight.grad is None
    np.testing.assert_allclose(bias.grad.numpy(), [7.0] * 3)
    np.testing.assert_allclose(rows.grad.numpy(), np.tile(weight.numpy().sum(1), (7, 1)), atol=1e-5)


def test_bfloat16_rounds_what_is_multiplied_forward_and_backward() -> None:
    rows, weight, gradient = tensor(16, 32), tensor(32, 8), tensor(16, 8, seed=1).detach()
    mapped = linear(rows, weight, bf16=True)
    (mapped * gradient).sum().backward()

    np.testing.assert_allclose(mapped.numpy(), emulated_product(rows, weight).numpy(), atol=1e-4)
    np.testing.assert_allclose(
        weight.grad.numpy(), emulated_product(rows, gradient, transpose_one=True).numpy(), atol=1e-4
    )
    np.testing.assert_allclose(
        rows.grad.numpy(), emulated_product(gradient, weight, transpose_other=True).numpy(), atol=1e-4
    )
    assert np.abs(mapped.numpy() - (rows @ weight).numpy()).max() > 1e-3


def vocabulary(rows: int, *, bf16: bool) -> list[np.ndarray]:
    """Scores over 300 tokens, and the gradients of features and table."""
    features, table = tensor(rows, 32), tensor(300, 32, seed=2)
    with bf16_products() if bf16 else nullcontext():
        scores = vocabulary_scores(features, table)
    (scores * tensor(rows, 300, seed=1).detach()).sum().backward()
    return [scores.numpy(), features.grad.numpy(), table.grad.numpy()]


def test_scores_over_a_vocabulary_are_rounded_in_mixed_precision_alone() -> None:
    features, table, gradient = tensor(128, 32), tensor(300, 32, seed=2), tensor(128, 300, seed=1)
    expected = [
        emulated_product(features, table, transpose_other=True),
        emulated_product(gradient, table),
        emulated_product(gradient, features, transpose_one=True),
    ]
    for ours, emulated, exact in zip(vocabulary(128, bf16=True), expected, vocabulary(128, bf16=False), strict=True):
        np.testing.assert_allclose(ours, emulated.numpy(), atol=1e-4 * np.abs(exact).max())
        error = np.linalg.norm(ours - exact) / np.linalg.norm(exact)
        assert 1e-4 < error < 1e-2  # bfloat16 has 8 bits


def test_few_rows_over_a_vocabulary_stay_in_float32() -> None:
    for ours, exact in zip(vocabulary(127, bf16=True), vocabulary(127, bf16=False), strict=True):
        np.testing.assert_array_equal(ours, exact)


def test_a_frozen_table_gets_no_gradient() -> None:
    features, table = tensor(128, 32), tensor(300, 32, seed=2).detach()
    with bf16_products():
        vocabulary_scores(features, table).sum().backward()
    assert table.grad is None
    assert features.grad.shape == [128, 32]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_probabilities_and_the_gradient_of_scores_are_those_of_paddle(fused: bool, masked: bool) -> None:
    scores, gradient = tensor(2, 3, 6, 6), tensor(2, 3, 6, 6, seed=1).detach()
    mask = paddle.to_tensor(np.where(np.arange(6) < 4, 0.0, -10000.0).astype("float32")) if masked else None
    theirs = functional.softmax(scores if mask is None else scores + mask)
    (theirs * gradient).sum().backward()
    ours = attention_probabilities(scores.detach().clone(), mask, 0.0, fused=fused)

    np.testing.assert_allclose(ours.dropped().numpy(), theirs.numpy(), atol=1e-6)
    np.testing.assert_allclose(ours.score_gradient(gradient.clone()).numpy(), scores.grad.numpy(), atol=1e-6)
    assert not masked or ours.dropped().numpy()[..., 4:].max() < 1e-20


@pytest.mark.parametrize("fused", [True, False])
def test_dropout_keeps_the_mean_and_its_gradient_passes_what_is_kept(fused: bool) -> None:
    paddle.seed(3)
    whole = functional.softmax(tensor(4, 2, 32, 32))
    found = attention_probabilities(tensor(4, 2, 32, 32).detach(), None, 0.25, fused=fused)
    dropped = found.dropped().numpy()
    kept = dropped != 0

    assert abs(kept.mean() - 0.75) < 0.02
    np.testing.assert_allclose(dropped[kept], whole.numpy()[kept] / 0.75, rtol=1e-4)
    gradient = tensor(4, 2, 32, 32, seed=1).detach()
    inner = np.where(kept, gradient.numpy() / 0.75, 0.0)
    expected = whole.numpy() * (inner - (inner * whole.numpy()).sum(-1, keepdims=True))
    np.testing.assert_allclose(found.score_gradient(gradient.clone()).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["gelu", "relu", "tanh"])
@pytest.mark.parametrize("fused", [True, False])
def test_activations_and_their_gradients_are_those_of_paddle(name: str, fused: bool) -> None:
    def run(function) -> list[np.ndarray]:
        values = tensor(9, 7)
        active = function(values)
        (active * tensor(9, 7, seed=1).detach()).sum().backward()
        return [active.numpy(), values.grad.numpy()]

    ours = run(lambda values: activation(values, name, fused=fused))
    for one, other in zip(ours, run(getattr(functional, name)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
