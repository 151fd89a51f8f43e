"""Values and gradients of the hand-written operations, against Paddle's own operations and autograd."""

from collections.abc import Callable

import numpy as np
import paddle
import pytest
from paddle import Tensor
from paddle.nn import functional

from palm.kernels import autograd, plain
from palm.kernels.contract import LayerSettings, Rows

BATCH, SEQ, HEADS, SIZE = 3, 7, 2, 5
HIDDEN = HEADS * SIZE
# Relative to the largest gradient; float64 shows that the formula is right, float32 that it is stable.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}

both_types = pytest.mark.parametrize("dtype", ["float64", "float32"])


def drawn(*shape: int, dtype: str, seed: int = 0) -> Tensor:
    array = np.random.default_rng([seed, *shape]).normal(size=shape)
    return paddle.to_tensor(array, dtype=dtype, stop_gradient=False)


def run(function: Callable[..., Tensor], tensors: list[Tensor]) -> list[np.ndarray]:
    """The function's value and the gradient of each tensor, for a fixed gradient of the value."""
    for tensor in tensors:
        tensor.clear_gradient(False)
    value = function(*tensors)
    given = np.random.default_rng(99).normal(size=value.shape)
    value.backward(paddle.to_tensor(given, dtype=value.dtype))
    return [value.numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def assert_same(found: list[np.ndarray], expected: list[np.ndarray], dtype: str) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype == dtype
        assert np.abs(one - other).max() <= TOLERANCE[dtype] * max(np.abs(other).max(), 1e-3)


@both_types
def test_linear(dtype: str):
    tensors = [drawn(11, 6, dtype=dtype), drawn(6, 9, dtype=dtype), drawn(9, dtype=dtype)]

    assert_same(run(autograd.Linear.apply, tensors), run(functional.linear, tensors), dtype)


@both_types
@pytest.mark.parametrize("shift", [0.0, 3.0], ids=["centred", "off centre"])
def test_layer_norm(dtype: str, shift: float):
    rows = (drawn(11, 16, dtype=dtype) + shift).detach()
    rows.stop_gradient = False
    tensors = [rows, drawn(16, dtype=dtype, seed=1), drawn(16, dtype=dtype, seed=2)]

    found = run(lambda rows, weight, bias: autograd.LayerNormFunction.apply(rows, weight, bias, 1e-12), tensors)
    expected = run(lambda rows, weight, bias: functional.layer_norm(rows, [16], weight, bias, 1e-12), tensors)
    assert_same(found, expected, dtype)


@both_types
def test_gelu_is_the_exact_one(dtype: str):
    values = paddle.to_tensor(np.linspace(-12, 12, 203), dtype=dtype, stop_gradient=False)

    assert_same(run(autograd.Gelu.apply, [values]), run(functional.gelu, [values]), dtype)


@both_types
@pytest.mark.parametrize("padded", [False, True])
def test_attention(dtype: str, padded: bool):
    qkv = drawn(BATCH * SEQ, 3 * HIDDEN, dtype=dtype)
    lengths = np.array([SEQ, 4, 1])
    scores = np.where(np.arange(SEQ) < lengths[:, None], 0.0, -10000.0)[:, None, None]
    mask = paddle.to_tensor(scores, dtype=dtype) if padded else None
    settings = LayerSettings(heads=HEADS, activation="gelu", epsilon=1e-12, hidden_dropout=0.0, attention_dropout=0.0)

    found = run(lambda qkv: autograd.AttentionFunction.apply(qkv, mask, HEADS, SEQ, 0.0), [qkv])
    expected = run(lambda qkv: plain.plain_attention(qkv, settings=settings, rows=Rows(BATCH, SEQ, mask)), [qkv])
    assert_same(found, expected, dtype)


@both_types
def test_attention_with_dropout_differentiates_what_it_computed(dtype: str):
    """The kept probabilities are drawn again from the same seed, and Paddle's autograd differentiates with them."""
    qkv = drawn(BATCH * SEQ, 3 * HIDDEN, dtype=dtype)

    def with_paddle(qkv: Tensor) -> Tensor:
        paddle.seed(5)
        keep, scale = autograd.sample_keep_mask([BATCH, HEADS, SEQ, SEQ], 0.3)
        query, key, value = qkv.reshape([BATCH, SEQ, 3, HEADS, SIZE]).transpose([2, 0, 3, 1, 4]).unbind(0)
        shares = functional.softmax(paddle.matmul(query, key, transpose_y=True) / SIZE**0.5)
        context = paddle.matmul(shares * keep.astype(dtype) * scale, value)
        return context.transpose([0, 2, 1, 3]).reshape([-1, HIDDEN])

    def with_palm(qkv: Tensor) -> Tensor:
        paddle.seed(5)
        return autograd.AttentionFunction.apply(qkv, None, HEADS, SEQ, 0.3)

    assert_same(run(with_palm, [qkv]), run(with_paddle, [qkv]), dtype)


def test_dropout_keeps_the_mean_and_drops_the_share_asked_for():
    paddle.seed(1)
    values = paddle.ones([1000, 400])
    values.stop_gradient = False
    dropped = autograd.DropoutFunction.apply(values, 0.1)
    dropped.backward(paddle.full_like(dropped, 2.0))

    share = float((dropped == 0).astype("float32").mean())
    assert abs(share - 0.1) < 0.0015  # three standard deviations: 3 * sqrt(0.1 * 0.9 / 400000)
    assert abs(float(dropped.mean()) - 1.0) < 0.002
    assert np.array_equal(values.grad.numpy(), 2.0 * dropped.numpy())


def test_dropout_obeys_the_seed_of_paddle():
    def draw(seed: int) -> list[np.ndarray]:
        paddle.seed(seed)
        return [autograd.DropoutFunction.apply(paddle.ones([9, 9]), 0.5).numpy() for _ in range(2)]

    (first, second), (again, _), (other, _) = draw(3), draw(3), draw(4)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_dropout_of_an_odd_number_of_elements():
    keep, scale = autograd.sample_keep_mask([3, 5], 0.25)

    assert keep.shape == [3, 5]
    assert scale == pytest.approx(4 / 3)


def test_frozen_parameters_get_no_gradient():
    rows, weight, bias = drawn(4, 3, dtype="float32"), drawn(3, 3, dtype="float32"), drawn(3, dtype="float32")
    weight.stop_gradient = bias.stop_gradient = True
    autograd.Linear.apply(rows, weight, bias).sum().backward()
    normal = autograd.LayerNormFunction.apply(rows, bias, bias, 1e-12)
    (normal * normal).sum().backward()

    assert rows.grad is not None
    assert weight.grad is None
    assert bias.grad is None


def test_frozen_rows_still_train_the_weight():
    rows, weight, bias = drawn(4, 3, dtype="float32"), drawn(3, 2, dtype="float32"), drawn(2, dtype="float32")
    rows.stop_gradient = True
    autograd.Linear.apply(rows, weight, bias).sum().backward()
    scale, shift = drawn(3, dtype="float32"), drawn(3, dtype="float32", seed=1)
    autograd.LayerNormFunction.apply(rows, scale, shift, 1e-12).sum().backward()

    assert rows.grad is None
    assert np.allclose(weight.grad.numpy(), rows.numpy().sum(0)[:, None].repeat(2, 1), atol=1e-6)
    assert np.allclose(shift.grad.numpy(), 4.0)


@pytest.mark.parametrize(
    ("shape", "order"),
    [((2, 3, 3, 4, 5), [2, 0, 3, 1, 4]), ((2, 4, 3, 5), [0, 2, 1, 3]), ((3, 2, 4, 3, 5), [1, 3, 0, 2, 4])],
)
@both_types
def test_axes_in_another_order_are_a_copy_in_it(shape: tuple[int, ...], order: list[int], dtype: str):
    values = drawn(*shape, dtype=dtype)

    found = autograd.transposed(values, order)
    assert found.is_contiguous()
    assert found.numpy().tolist() == values.numpy().transpose(order).tolist()
