"""The fused kernels against the plain ones: forward, every gradient, dropout, and what they leave to the plain way."""

import ctypes
import hashlib

import numpy as np
import paddle
import pytest
from paddle import Tensor

from palm.errors import ConfigError
from palm.kernels import choice, plain
from palm.kernels.choice import choose_kernels
from palm.kernels.contract import ComputeLayer, LayerSettings, LayerWeights, Rows
from palm.kernels.fused import layer as fused
from palm.kernels.fused import library
from palm.kernels.fused.built import find_library
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels

try:
    load_kernels()
except KernelsUnavailableError as reason:
    pytest.skip(f"no fused kernels: {reason}", allow_module_level=True)

# batch, seq, hidden, heads, inner: MiniLM's; odd lengths and widths; the smallest that there is
SHAPES = [(4, 33, 384, 12, 1536), (3, 7, 24, 2, 56), (2, 13, 15, 5, 17), (1, 1, 4, 1, 3)]
WEIGHTS = tuple(LayerWeights.__dataclass_fields__)

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def settings(heads: int, activation: str = "gelu", dropout: float = 0.0) -> LayerSettings:
    return LayerSettings(heads, activation, 1e-12, dropout, dropout)


def drawn(shape: tuple[int, ...], seed: int = 0, dtype: str = "float32") -> tuple[list[Tensor], Tensor, Rows]:
    """Hidden states, the twelve weights, the gradient of the output, and sequences: all but the first are padded."""
    batch, seq, hidden, _, inner = shape
    generator = np.random.default_rng(seed)

    def normal(*size: int) -> Tensor:
        return paddle.to_tensor(generator.normal(0, 0.3, size).astype(dtype))

    sizes = [(hidden, 3 * hidden), (3 * hidden,), (hidden, hidden), (hidden,), (hidden,), (hidden,)]
    sizes += [(hidden, inner), (inner,), (inner, hidden), (hidden,), (hidden,), (hidden,)]
    mask = np.zeros((batch, 1, 1, seq), dtype)
    for row in range(1, batch):
        mask[row, ..., max(1, seq - 2 * row) :] = -10000
    inputs = [normal(batch * seq, hidden), *(normal(*size) for size in sizes)]
    return inputs, normal(batch * seq, hidden), Rows(batch, seq, paddle.to_tensor(mask))


def run(
    compute: ComputeLayer,
    inputs: list[Tensor],
    gradient: Tensor,
    rows: Rows,
    told: LayerSettings,
    frozen: tuple[int, ...] = (),
) -> list[np.ndarray | None]:
    """The output and the gradient of each input."""
    own = [tensor.clone().detach() for tensor in inputs]
    for number, tensor in enumerate(own):
        tensor.stop_gradient = number in frozen
    out = compute(own[0], LayerWeights(*own[1:]), settings=told, rows=rows)
    out.backward(gradient)
    return [out.numpy(), *(None if tensor.grad is None else tensor.grad.numpy() for tensor in own)]


def assert_close(found: list[np.ndarray | None], wanted: list[np.ndarray | None], limit: float = 1e-5) -> None:
    for name, one, other in zip(("output", "hidden", *WEIGHTS), found, wanted, strict=True):
        assert (one is None) == (other is None), name
        if one is not None and other is not None:
            # A key's bias shifts all scores of a query alike, so its true gradient is 0: relative to the largest.
            assert np.abs(one - other).max() <= limit * max(np.abs(other).max(), 1e-3), name


@every_shape
@pytest.mark.parametrize("activation", ["gelu", "relu", "tanh"])
def test_output_and_every_gradient_are_those_of_the_plain_layer(shape: tuple[int, ...], activation: str):
    inputs, gradient, rows = drawn(shape)
    told = settings(shape[3], activation)
    assert_close(
        run(fused.compute_layer, inputs, gradient, rows, told), run(plain.compute_layer, inputs, gradient, rows, told)
    )


def test_the_build_for_the_oldest_processor_computes_the_same(monkeypatch):
    built = find_library("_base")
    if built is None:
        pytest.skip("only one instruction set was built")
    base = library.KernelLibrary(ctypes.CDLL(str(built.file)), "base")
    monkeypatch.setattr(fused, "load_kernels", lambda: base)
    inputs, gradient, rows = drawn(SHAPES[0])
    told = settings(SHAPES[0][3])
    assert_close(
        run(fused.compute_layer, inputs, gradient, rows, told), run(plain.compute_layer, inputs, gradient, rows, told)
    )


def test_the_plain_layer_in_float64_agrees():
    inputs, gradient, rows = drawn(SHAPES[1])
    exact_inputs, exact_gradient, exact_rows = (
        [tensor.astype("float64") for tensor in inputs],
        gradient.astype("float64"),
        Rows(rows.batch, rows.seq, rows.mask.astype("float64")),
    )
    told = settings(2)
    exact = run(plain.compute_layer, exact_inputs, exact_gradient, exact_rows, told)
    assert_close(run(fused.compute_layer, inputs, gradient, rows, told), exact)
    untouched = run(fused.compute_layer, exact_inputs, exact_gradient, exact_rows, told)  # goes the plain way
    assert untouched[0].dtype == np.float64
    assert all(np.array_equal(one, other) for one, other in zip(untouched, exact, strict=True))


def test_nothing_padded_needs_no_mask():
    inputs, gradient, rows = drawn(SHAPES[1])
    unmasked, zeros = Rows(rows.batch, rows.seq, None), Rows(rows.batch, rows.seq, paddle.zeros_like(rows.mask))
    told = settings(2)
    assert_close(
        run(fused.compute_layer, inputs, gradient, unmasked, told),
        run(plain.compute_layer, inputs, gradient, zeros, told),
    )


def test_padding_has_no_share_at_all():
    inputs, gradient, rows = drawn(SHAPES[1])
    changed = inputs[0].numpy().copy().reshape(3, 7, 24)
    changed[1, 5:] += 1.0  # padding of the second sequence
    told = settings(2)
    one = run(fused.compute_layer, inputs, gradient, rows, told)[0].reshape(3, 7, 24)
    other = run(fused.compute_layer, [paddle.to_tensor(changed.reshape(21, 24)), *inputs[1:]], gradient, rows, told)[0]
    assert np.array_equal(one[1, :5], other.reshape(3, 7, 24)[1, :5])


@pytest.mark.parametrize("frozen", [(0,), tuple(range(1, 13)), (0, 1, 2, 7), (1, 3, 9)], ids=str)
def test_what_is_frozen_gets_no_gradient_and_the_rest_keeps_its_own(frozen: tuple[int, ...]):
    inputs, gradient, rows = drawn(SHAPES[1])
    told = settings(2)
    assert_close(
        run(fused.compute_layer, inputs, gradient, rows, told, frozen),
        run(plain.compute_layer, inputs, gradient, rows, told, frozen),
    )


def test_without_gradients_the_output_is_the_same():
    inputs, gradient, rows = drawn(SHAPES[1])
    told = settings(2)
    with paddle.no_grad():
        out = fused.compute_layer(inputs[0], LayerWeights(*inputs[1:]), settings=told, rows=rows)
    assert np.array_equal(out.numpy(), run(fused.compute_layer, inputs, gradient, rows, told)[0])


def test_dropout_keeps_the_asked_share_and_the_mean():
    values = paddle.ones([1000, 300])
    paddle.seed(5)
    kept = fused.dropout(values, 0.3).numpy()
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / np.float32(0.7))}
    # 300,000 draws: five standard deviations are 0.0042.
    assert abs((kept > 0).mean() - 0.7) < 0.0042
    assert np.abs((kept > 0).mean(axis=0) - 0.7).max() < 0.075  # five deviations of 1000 draws
    assert np.abs((kept > 0).mean(axis=1) - 0.7).max() < 0.135  # five deviations of 300 draws
    neighbours = [np.corrcoef((kept > 0)[1:].ravel(), (kept > 0)[:-1].ravel())[0, 1],
                  np.corrcoef((kept > 0)[:, 1:].ravel(), (kept > 0)[:, :-1].ravel())[0, 1]]  # fmt: skip
    assert np.abs(neighbours).max() < 0.01


def test_dropout_is_decided_by_paddles_seed_alone():
    values = paddle.ones([64, 64])

    def draw(seed: int) -> np.ndarray:
        paddle.seed(seed)
        return np.stack([fused.dropout(values, 0.5).numpy(), fused.dropout(values, 0.5).numpy()])

    assert np.array_equal(draw(1), draw(1))
    first, second = draw(1)
    assert not np.array_equal(first, second)
    assert not np.array_equal(draw(1), draw(2))


def test_forward_and_backward_drop_the_same_elements():
    values = paddle.ones([50, 70])
    values.stop_gradient = False
    kept = fused.dropout(values, 0.4)
    kept.backward(paddle.ones_like(kept))
    assert np.array_equal(values.grad.numpy(), kept.numpy())


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_gradients_with_dropout_are_the_slope_of_the_output(probability: float):
    """One seed gives one mask, so a small step along the gradient changes the output as the gradient says."""
    inputs, gradient, rows = drawn((2, 6, 12, 3, 20))
    told = settings(3, dropout=probability)

    def value(point: list[Tensor]) -> float:
        paddle.seed(11)
        out = fused.compute_layer(point[0], LayerWeights(*point[1:]), settings=told, rows=rows)
        return float((out.astype("float64") * gradient.astype("float64")).sum())

    paddle.seed(11)
    _, *gradients = run(fused.compute_layer, inputs, gradient, rows, told)
    for number in range(13):
        direction = gradients[number] / np.linalg.norm(gradients[number])
        step = 2e-3 * direction
        ahead = [*inputs[:number], inputs[number] + paddle.to_tensor(step), *inputs[number + 1 :]]
        behind = [*inputs[:number], inputs[number] - paddle.to_tensor(step), *inputs[number + 1 :]]
        slope = (value(ahead) - value(behind)) / 4e-3
        assert slope == pytest.approx(np.linalg.norm(gradients[number]), rel=2e-2), ("hidden", *WEIGHTS)[number]


def digest() -> str:
    """A sha256 of sums over rows, which do not depend on how rows are shared out."""
    compute, generator = load_kernels(), np.random.default_rng(0)

    def values(*shape: int) -> Tensor:
        return paddle.to_tensor(generator.normal(size=shape).astype("float32"))

    hidden, gradient, bias, weight = values(1001, 257), values(1001, 257), values(257), values(257)
    mean, scale, changed, kept = values(1001), values(1001), values(1001, 257), values(1001, 257)
    compute("activate_gradient", hidden, gradient, bias, 1001, 257, 0)
    sums = [values(257) for _ in range(3)]
    sizes = (1001, 257, 0.1, 7, 0)
    compute("add_norm_gradient", hidden, gradient, weight, mean, scale, changed, kept, *sums, *sizes)
    found = (gradient, bias, changed, kept, *sums)
    return hashlib.sha256(b"".join(array.numpy().tobytes() for array in found)).hexdigest()


def test_kernels_that_were_not_built_are_said_once_or_refused(monkeypatch, caplog):
    def missing() -> None:
        raise KernelsUnavailableError("they were not built")

    monkeypatch.setattr(choice, "load_kernels", missing)
    choice._warn_once.cache_clear()
    assert [choose_kernels("auto").name for _ in range(3)] == ["plain"] * 3
    assert [record.message for record in caplog.records] == [
        "Computing with Paddle's own operations, which are slower than the fused kernels: they were not built."
    ]
    with pytest.raises(ConfigError, match="kernels: the fused kernels cannot be used here: they were not built"):
        choose_kernels("fused")


def test_a_gpu_that_is_chosen_after_the_cpu_was_used_computes_without_them(monkeypatch):
    assert choose_kernels("auto").name == "fused"
    monkeypatch.setattr("paddle.device.get_device", lambda: "gpu:0")
    assert choose_kernels("auto").name == "plain"
    with pytest.raises(KernelsUnavailableError, match="a GPU computes with Paddle's own operations"):
        load_kernels()
