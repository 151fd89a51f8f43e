"""The layer with 8-bit weights: products against exact integers, the layer against float32, every build, threads."""

import ctypes
import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import paddle
import pytest
from paddle import Tensor

from palm.kernels import plain
from palm.kernels.contract import LayerWeights, Rows
from palm.kernels.fused.built import find_library
from palm.kernels.fused.encoder_call import KERNELS
from palm.kernels.fused.layer import ACTIVATIONS
from palm.kernels.fused.library import KernelLibrary, KernelsUnavailableError, load_kernels
from palm.kernels.fused.packed_layer import LayerArguments
from tests.unit.kernels.test_bf16_layer import LEVELS
from tests.unit.kernels.test_fused import drawn, settings

try:
    load_kernels()
except KernelsUnavailableError as reason:
    pytest.skip(f"no fused kernels: {reason}", allow_module_level=True)

# rows, inner, columns: all multiples of the tiles; none; one of each; half a tile of rows and more than one of depth
PRODUCTS = [(64, 128, 96), (33, 65, 47), (1, 1, 1), (7, 200, 17), (130, 384, 33), (48, 3072, 64)]


def built(level: str) -> KernelLibrary:
    """The kernels of a level that this processor runs."""
    load_kernels()
    found = KernelLibrary(ctypes.CDLL(str(find_library(level).file)), level)
    assert found.count("bf16_begin") == 0
    return found


@pytest.fixture(params=LEVELS)
def every_build(request) -> KernelLibrary:
    return built(request.param)


def product(run: KernelLibrary, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """values . weight, each with its rows and columns rounded to bytes by the kernels."""
    (rows, inner), columns = values.shape, weight.shape[1]
    memory = np.full(run.count("int8_product_bytes", inner, columns), 0x7F, np.uint8)
    out = np.empty([rows, columns], np.float32)
    run("int8_product", rows, inner, columns, *(each.ctypes.data for each in (values, weight, memory, out)))
    again = np.empty_like(out)
    run("int8_product", rows, inner, columns, values.ctypes.data, None, memory.ctypes.data, again.ctypes.data)
    np.testing.assert_array_equal(again, out)
    return out


def in_integers(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The same in numpy, with sums of 64 bits."""
    one = np.float32(1)
    low, high = (np.float32(0), values.min(1)), (np.float32(0), values.max(1))
    low, high = np.minimum(*low), np.maximum(*high)
    scale = high / np.float32(255) - low / np.float32(255)  # [rows]
    rate = np.divide(one, scale, out=np.zeros_like(scale), where=scale > 0)
    zero = np.minimum(np.rint(-low * rate), 255).astype(np.int64)
    rounded = np.clip(np.rint(values * rate[:, None]).astype(np.int64) + zero[:, None], 0, 255)
    scales = np.abs(weight).max(0) / np.float32(127)  # [columns]
    rates = np.divide(one, scales, out=np.zeros_like(scales), where=scales > 0)
    integers = np.clip(np.rint(weight * rates), -127, 127).astype(np.int64)
    exact = (rounded - zero[:, None]) @ integers
    return exact.astype(np.float32) * (scales[None] * scale[:, None])


@pytest.mark.parametrize("shape", PRODUCTS, ids=str)
def test_products_are_those_of_exact_integers(every_build, shape):
    rows, inner, columns = shape
    generator = np.random.default_rng(sum(shape))
    values = generator.normal(size=(rows, inner)).astype("float32")
    weight = generator.normal(0, 0.1, (inner, columns)).astype("float32")
    np.testing.assert_array_equal(product(every_build, values, weight), in_integers(values, weight))


def test_the_largest_sums_are_exact(every_build):
    """Pairs of the largest bytes exceed 16 bits, where `maddubs` saturates; 3072 of them 24, where float32 does not."""
    inner = 3072
    values = np.ones([3, inner], np.float32)
    values[1] = -1
    values[2, ::2] = -1
    weight = np.ones([inner, 2], np.float32)
    weight[:, 1] = -1
    found = product(every_build, values, weight)
    np.testing.assert_array_equal(found, in_integers(values, weight))
    np.testing.assert_allclose(found[:2], [[inner, -inner], [-inner, inner]], rtol=1e-6)


def test_zeros_and_tiny_numbers_stay_zero(every_build):
    values = np.zeros([3, 40], np.float32)
    values[1], values[2] = 1e-44, 1
    weight = np.ones([40, 3], np.float32)
    weight[:, 1], weight[:, 2] = 0, 1e-44
    np.testing.assert_array_equal(product(every_build, values, weight)[:, 1:], 0)
    np.testing.assert_allclose(product(every_build, values, weight)[:, 0], [0, 0, 40], rtol=1e-6)


def test_an_outlier_costs_its_own_row_alone(every_build):
    generator = np.random.default_rng(4)
    values = generator.normal(size=(4, 96)).astype("float32")
    weight = generator.normal(size=(96, 8)).astype("float32")
    before = product(every_build, values, weight)
    values[2, 5] = 1e4
    after = product(every_build, values, weight)
    np.testing.assert_array_equal(np.delete(after, 2, 0), np.delete(before, 2, 0))
    np.testing.assert_array_equal(after, in_integers(values, weight))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_lost(every_build, number):
    values, weight = np.ones([3, 70], np.float32), np.ones([70, 33], np.float32)
    values[1, 69] = number
    found = product(every_build, values, weight)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()
    values[1, 69], weight[3, 32] = 1, number
    found = product(every_build, values, weight)
    assert np.isnan(found[:, 32]).all()
    assert np.isfinite(found[:, :32]).all()


# lengths, hidden, heads, inner: MiniLM's; odd widths and lengths; several chunks; one token
LAYERS = [
    ([33, 32, 1, 77], 384, 12, 1536),
    ([70, 3, 9], 312, 12, 100),
    ([130, 1, 128, 100], 24, 2, 56),
    ([13, 2], 15, 5, 17),
    ([1], 4, 1, 3),
]


def encoded(
    run: KernelLibrary,
    hidden: np.ndarray,
    layers: list[LayerWeights],
    lengths: list[int],
    heads: int,
    activation: str = "gelu",
) -> np.ndarray:
    """Packed rows through `layers` with their weights in bytes."""
    width, inner = layers[0].intermediate_weight.shape
    arguments = LayerArguments(len(lengths), width, inner, heads, ACTIVATIONS[activation], 0, 1e-12)
    size = run.count("int8_encoder_bytes", ctypes.byref(arguments))
    memory = np.full([len(layers), size], 0x7F, np.uint8)
    for layer, own in zip(layers, memory, strict=True):
        fields = [getattr(layer, name).data_ptr() for name in LayerWeights.__dataclass_fields__]
        run("int8_encoder_pack", ctypes.byref(arguments), (ctypes.c_void_p * 12)(*fields), own.ctypes.data)
    starts = np.cumsum([0, *lengths]).astype("int64")
    pointers = (ctypes.c_void_p * len(layers))(*(own.ctypes.data for own in memory))
    hidden, out = np.ascontiguousarray(hidden), np.empty_like(hidden)
    run(
        *("encode", ctypes.byref(arguments), starts.ctypes.data, hidden.ctypes.data),
        *(KERNELS.index("int8"), len(layers), pointers, out.ctypes.data),
    )
    return out


def in_float32(
    hidden: Tensor, layers: list[LayerWeights], lengths: list[int], heads: int, activation: str = "gelu"
) -> np.ndarray:
    found, first = [], 0
    for length in lengths:
        own = hidden[first : first + length]
        for layer in layers:
            rows = Rows(1, length, None)
            own = plain.compute_layer(own, layer, settings=settings(heads, activation), rows=rows)
        found.append(own.numpy())
        first += length
    return np.concatenate(found)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("activation", ["gelu", "relu", "tanh"])
def test_layers_are_near_those_in_float32(every_build, layer, activation):
    lengths, width, heads, inner = layer
    inputs, _, _ = drawn((1, sum(lengths), width, heads, inner))
    layers = [LayerWeights(*inputs[1:]), LayerWeights(*drawn((1, 1, width, heads, inner), seed=1)[0][1:])]
    found = encoded(every_build, inputs[0].numpy(), layers, lengths, heads, activation)
    expected = in_float32(inputs[0], layers, lengths, heads, activation)
    assert np.linalg.norm(found - expected) <= 4e-2 * np.linalg.norm(expected)
    assert not np.array_equal(found, expected)


@pytest.mark.parametrize("level", LEVELS[1:])
def test_builds_differ_by_attention_alone(level):
    """Sums of bytes are exact everywhere; those of attention are float32, in another order."""
    lengths, width, heads, inner = LAYERS[0]
    inputs, _, _ = drawn((1, sum(lengths), width, heads, inner))
    layers = [LayerWeights(*inputs[1:])]
    one, other = (encoded(built(each), inputs[0].numpy(), layers, lengths, heads) for each in (LEVELS[0], level))
    assert np.linalg.norm(one - other) <= 5e-3 * np.linalg.norm(other)


def test_a_sequence_does_not_depend_on_those_beside_it(every_build):
    inputs, _, _ = drawn((1, 90, 24, 2, 56))
    layers, hidden = [LayerWeights(*inputs[1:])] * 2, inputs[0].numpy()
    together = encoded(every_build, hidden, layers, [50, 9, 31], 2)
    np.testing.assert_array_equal(together[50:59], encoded(every_build, hidden[50:59], layers, [9], 2))
    hidden[0:50] = np.nan
    found = encoded(every_build, hidden, layers, [50, 9, 31], 2)
    assert np.isnan(found[:50]).all()
    np.testing.assert_array_equal(found[50:], together[50:])


def digest() -> str:
    """A sha256 of the outputs for batches of some texts, of one and of two."""
    return "".join(map(digest_of, ([300, 1, 64, 200, 35, 150, 150], [70], [100, 3])))


def digest_of(lengths: list[int]) -> str:
    """A sha256 of the output of two layers: of several chunks, or of one that all threads share."""
    inputs, _, _ = drawn((1, sum(lengths), 64, 4, 160))
    layers = [LayerWeights(*inputs[1:]), LayerWeights(*drawn((1, 1, 64, 4, 160), seed=1)[0][1:])]
    return hashlib.sha256(encoded(load_kernels(), inputs[0].numpy(), layers, lengths, 4).tobytes()).hexdigest()


def test_the_same_bits_in_threads_beside_each_other():
    lengths = [40, 1, 64, 35]
    expected = digest_of(lengths)
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(digest_of, [lengths] * 20)) == {expected}


def test_gelu_is_near_the_exact_one(every_build):
    """Seen through a layer whose other parts do nothing: inner = x, and the output is normalised gelu(x)."""
    width, bound = 64, 255
    generator = np.random.default_rng(3)
    hidden = generator.normal(size=(5, width)).astype("float32")
    identity, zero = np.eye(width, dtype="float32"), np.zeros
    fields = [zero([width, 3 * width]), zero(3 * width), zero([width, width]), zero(width), np.ones(width), zero(width)]
    fields += [identity, zero(width), identity * 100, zero(width), np.ones(width), zero(width)]
    layer = LayerWeights(*(paddle.to_tensor(np.asarray(each, "float32")) for each in fields))
    found = encoded(every_build, hidden, [layer], [5], 1)
    expected = in_float32(paddle.to_tensor(hidden), [layer], [5], 1)
    step = (expected.max(1) - expected.min(1)).max() / bound
    assert np.abs(found - expected).max() <= 2 * step
