"""The layer in float32 as two C calls: against the plain one, every build, dropout, threads, padding, memory."""

import ctypes
import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import paddle
import pytest

from palm.kernels import choice, plain
from palm.kernels.contract import LayerSettings, LayerWeights, PackedRows, Rows
from palm.kernels.fused import float32_layer, layer, library, packed_layer
from palm.kernels.fused.built import find_library
from palm.kernels.fused.layer import sample_seeds
from palm.kernels.fused.library import KernelLibrary
from palm.kernels.fused.packing import Packing
from tests.unit.kernels.test_bf16_layer import LEVELS, kept_rows, reference
from tests.unit.kernels.test_fused import assert_close, drawn, run, settings

if not float32_layer.has_products():
    pytest.skip("Paddle computes without MKL", allow_module_level=True)

# batch, seq, hidden, heads, inner: MiniLM's; heads of 26, 64, 100 and 12 numbers; blocks of queries; one token
SHAPES = [(4, 33, 384, 12, 1536), (3, 70, 312, 12, 100), (2, 300, 128, 2, 56), (3, 29, 200, 2, 800),
          (5, 131, 24, 2, 33), (2, 13, 15, 5, 17), (1, 1, 4, 1, 3)]  # fmt: skip
DROPS = [(0.0, 0.3), (0.3, 0.0), (0.1, 0.2)]


@pytest.fixture(params=LEVELS)
def every_build(request, monkeypatch):
    """The kernels of each build that this processor runs."""
    library.load_kernels()
    built = KernelLibrary(ctypes.CDLL(str(find_library(request.param).file)), request.param)
    assert float32_layer.give_products(built)
    monkeypatch.setattr(packed_layer, "load_kernels", lambda: built)


def of_tokens(gradient: paddle.Tensor, rows: Rows) -> paddle.Tensor:
    """The gradient without that of padding."""
    return gradient * paddle.to_tensor((rows.mask.numpy().reshape(-1, 1) == 0).astype("float32"))


def without_padding(found: list, rows: Rows) -> list:
    """The output and the gradient of the hidden states in the rows that exist, and the other gradients."""
    kept = kept_rows(rows)
    return [None if array is None else array[kept] if number < 2 else array for number, array in enumerate(found)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("activation", ["gelu", "relu", "tanh"])
def test_output_and_every_gradient_are_those_of_the_plain_layer(every_build, shape, activation):
    inputs, gradient, rows = drawn(shape)
    gradient, told = of_tokens(gradient, rows), settings(shape[3], activation)
    expected = run(plain.compute_layer, inputs, gradient, rows, told)
    found = run(float32_layer.compute_layer, inputs, gradient, rows, told)
    assert_close(without_padding(found, rows), without_padding(expected, rows))
    assert not found[0][np.setdiff1d(np.arange(len(found[0])), kept_rows(rows))].any()


@pytest.mark.parametrize("drops", DROPS)
def test_dropout_has_the_masks_of_the_bfloat16_layer(every_build, drops):
    lengths, heads = [40, 3, 177], 2
    inputs, gradient, _ = drawn((1, sum(lengths), 24, heads, 56))
    told = LayerSettings(heads, "gelu", 1e-12, *drops)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype("int64")
    paddle.seed(5)
    seeds = sample_seeds(told)

    def with_masks(hidden, weights, **_):
        return reference(hidden, weights, heads, lengths, seeds, drops)

    packed = PackedRows(len(lengths), max(lengths), None, starts)
    expected = run(with_masks, inputs, gradient, packed, told)
    paddle.seed(5)
    assert_close(run(float32_layer.compute_packed_layer, inputs, gradient, packed, told), expected)


@pytest.mark.parametrize("frozen", [(0,), tuple(range(1, 13)), (0, 1, 2), (0, 1, 2, 3, 4, 5), (1, 4, 7, 12)], ids=str)
def test_what_is_frozen_gets_no_gradient_and_the_rest_keeps_its_own(frozen):
    shape = SHAPES[2]
    inputs, gradient, rows = drawn(shape)
    whole = run(float32_layer.compute_layer, inputs, gradient, rows, settings(shape[3]))
    some = run(float32_layer.compute_layer, inputs, gradient, rows, settings(shape[3]), frozen)
    for number, (one, other) in enumerate(zip(some[1:], whole[1:], strict=True)):
        if number in frozen:
            assert one is None
        else:
            np.testing.assert_array_equal(one, other)


def test_a_sequence_does_not_depend_on_those_beside_it():
    inputs, _, _ = drawn((1, 90, 24, 2, 56))
    rows = PackedRows(3, 50, None, np.array([0, 50, 59, 90]))

    def output(hidden: paddle.Tensor) -> np.ndarray:
        weights = LayerWeights(*inputs[1:])
        return float32_layer.compute_packed_layer(hidden, weights, settings=settings(2), rows=rows).numpy()

    changed = inputs[0].clone()
    changed[0:50] = float("nan")
    np.testing.assert_array_equal(output(changed)[50:], output(inputs[0])[50:])


def digest() -> str:
    """A sha256 of the output and all gradients of a batch of several blocks."""
    inputs, gradient, _ = drawn((1, 900, 120, 4, 800))
    lengths = [300, 1, 64, 200, 35, 150, 150]
    rows = PackedRows(len(lengths), 300, None, np.cumsum([0, *lengths]).astype("int64"))
    paddle.seed(2)
    found = run(float32_layer.compute_packed_layer, inputs, gradient, rows, settings(4, dropout=0.1))
    return hashlib.sha256(b"".join(array.tobytes() for array in found if array is not None)).hexdigest()


def test_the_same_bits_in_threads_beside_each_other():
    inputs, gradient, rows = drawn((4, 160, 64, 4, 160))
    expected = run(float32_layer.compute_layer, inputs, gradient, rows, settings(4))

    def again(_: int) -> bool:
        found = run(float32_layer.compute_layer, inputs, gradient, rows, settings(4))
        return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(again, range(20)))


def test_products_outside_have_as_many_threads_as_before():
    limit = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(float32_layer.find_product_functions().limit_threads)
    before = limit(3)
    try:
        inputs, gradient, rows = drawn(SHAPES[5])
        run(float32_layer.compute_layer, inputs, gradient, rows, settings(SHAPES[5][3]))
    finally:
        assert limit(before) == 3


def test_memory_that_is_missing_is_an_error():
    starts = np.array([0, 2**40])  # more rows than any memory holds: nothing is read or written before it is refused
    sizes = packed_layer.LayerArguments(1, 8, 8, 1, 0, 0, 1e-12, 0.0, 0.0)
    arguments = (ctypes.byref(sizes), starts.ctypes.data)
    kernels = library.load_kernels()
    none = (ctypes.c_void_p * 12)()
    with pytest.raises(MemoryError, match="`float32_layer` could not allocate memory"):
        kernels("float32_layer", *arguments, None, none, None, None)
    with pytest.raises(MemoryError, match="`float32_layer_gradient` could not allocate memory"):
        kernels("float32_layer_gradient", *arguments, None, None, none, None, None, none)


def test_what_it_cannot_compute_goes_the_other_ways(monkeypatch):
    hidden = paddle.zeros([2, 4])
    assert float32_layer.computes_here(settings(1), hidden)
    assert not float32_layer.computes_here(LayerSettings(1, "gelu", 1e-12, 0.0, 0.0, bf16=True), hidden)
    assert not float32_layer.computes_here(settings(1, "gelu_new"), hidden)
    assert not float32_layer.computes_here(settings(1), hidden.astype("float64"))
    monkeypatch.setattr(float32_layer, "find_product_functions", lambda: None)
    assert not float32_layer.has_products.__wrapped__()


def test_scores_with_a_bias_and_a_missing_library_take_the_kernels_between_products(monkeypatch):
    inputs, gradient, rows = drawn(SHAPES[5])
    told = settings(SHAPES[5][3])
    biased = Rows(rows.batch, rows.seq, rows.mask, bias=paddle.ones([1, 5, 13, 13]))
    wanted = run(layer.compute_layer, inputs, gradient, biased, told)
    found = run(choice.compute_fused_layer, inputs, gradient, biased, told)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))
    monkeypatch.setattr(float32_layer, "has_products", lambda: False)
    wanted = run(layer.compute_layer, inputs, gradient, rows, told)
    found = run(choice.compute_fused_layer, inputs, gradient, rows, told)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert choice.packing_for(inputs[0], rows) is None


def test_a_batch_is_packed_once_for_all_layers():
    inputs, gradient, rows = drawn(SHAPES[0])
    packing = choice.packing_for(inputs[0], rows)
    assert isinstance(packing, Packing)

    def packed_once(hidden, weights, *, settings, rows):
        packed = choice.compute_fused_layer(packing.pack(hidden), weights, settings=settings, rows=packing.rows)
        return packing.unpack(packed)

    told = settings(SHAPES[0][3])
    found = run(packed_once, inputs, gradient, rows, told)
    wanted = run(choice.compute_fused_layer, inputs, gradient, rows, told)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))
