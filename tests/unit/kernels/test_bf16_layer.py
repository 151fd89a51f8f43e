"""The layer in bfloat16 as two C calls: against float32, every build, dropout, threads, padding."""

import ctypes
import hashlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from paddle import Tensor
from paddle.nn import functional

from palm.kernels import plain
from palm.kernels.contract import LayerSettings, LayerWeights, PackedRows, Rows
from palm.kernels.fused import bf16_layer, library, packed_layer
from palm.kernels.fused.bf16 import Bf16UnavailableError
from palm.kernels.fused.built import FLAGS_OF_LEVEL, find_library
from palm.kernels.fused.layer import Seeds, sample_seeds
from palm.kernels.fused.library import KernelLibrary, KernelsUnavailableError, load_kernels
from tests.unit.kernels.test_fused import WEIGHTS, drawn, run, settings

try:
    load_kernels()
except KernelsUnavailableError as reason:
    pytest.skip(f"no fused kernels: {reason}", allow_module_level=True)

# batch, seq, hidden, heads, inner: MiniLM's; heads and widths that no tile divides; several blocks of keys; one token
SHAPES = [(4, 33, 384, 12, 1536), (3, 70, 312, 12, 100), (5, 130, 24, 2, 56), (2, 13, 15, 5, 17), (1, 1, 4, 1, 3)]
LEVELS = [
    level for level, flags in FLAGS_OF_LEVEL.items() if flags <= library.processor_flags()
    and find_library(level)
]  # fmt: skip


@pytest.fixture(params=LEVELS)
def every_build(request, monkeypatch):
    """The kernels of each build that this processor runs; all but `_amx` emulate its tiles."""
    load_kernels()
    built = KernelLibrary(ctypes.CDLL(str(find_library(request.param).file)), request.param)
    assert built.count("bf16_begin") == 0
    monkeypatch.setattr(packed_layer, "load_kernels", lambda: built)
    monkeypatch.setattr(bf16_layer, "layer_is_fast", lambda: True)


def in_bf16(heads: int, activation: str = "gelu", hidden: float = 0.0, attention: float = 0.0) -> LayerSettings:
    return LayerSettings(heads, activation, 1e-12, hidden, attention, bf16=True)


def kept_rows(rows: Rows) -> np.ndarray:
    return np.flatnonzero(rows.mask.numpy().ravel() == 0)


def assert_near(found: list, expected: list, rows: Rows, limit: float) -> None:
    """Relative to the norm of each tensor, in the rows that exist."""
    for name, one, other in zip(("output", "hidden", *WEIGHTS), found, expected, strict=True):
        if name in ("output", "hidden"):
            one, other = one[kept_rows(rows)], other[kept_rows(rows)]
        scale = max(np.linalg.norm(other), 1e-2 * np.sqrt(other.size))
        assert np.linalg.norm(one - other) <= limit * scale, name


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("activation", ["gelu", "tanh"])
def test_output_and_every_gradient_are_near_those_in_float32(every_build, shape, activation):
    inputs, gradient, rows = drawn(shape)
    gradient = gradient * paddle.to_tensor((rows.mask.numpy().reshape(-1, 1) == 0).astype("float32"))
    expected = run(plain.compute_layer, inputs, gradient, rows, settings(shape[3], activation))
    found = run(bf16_layer.compute_layer, inputs, gradient, rows, in_bf16(shape[3], activation))
    assert_near(found, expected, rows, 2e-2)
    assert not found[0][np.setdiff1d(np.arange(len(found[0])), kept_rows(rows))].any()


def mixed(x: np.ndarray) -> np.ndarray:
    """The hash of vector_math.h."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x


def keep_factors(seed: int, rows: np.ndarray, columns: int, probability: float) -> np.ndarray:
    """[rows columns]: 0 or 1 / (1 - probability)."""
    golden = np.uint32(0x9E3779B9)
    keys = mixed(np.uint32(seed) ^ mixed(rows.astype(np.uint32) * golden))
    hashes = mixed(keys[:, None] + np.arange(columns, dtype=np.uint32) * golden)
    return (hashes >= np.uint32(probability * 2**32)) / np.float32(1 - probability)


def reference(
    hidden: Tensor, weights: LayerWeights, heads: int, lengths: list[int], seeds: Seeds, drops: tuple[float, float]
) -> Tensor:
    """The layer in float32 over packed rows, with the masks that the kernels document."""
    w, outs, first = weights, [], 0
    size = hidden.shape[1] // heads
    qkv = hidden @ w.qkv_weight + w.qkv_bias
    for length in lengths:
        parts = qkv[first : first + length].reshape([length, 3, heads, size]).transpose([1, 2, 0, 3]).unbind(0)
        scores = functional.softmax(parts[0] @ parts[1].transpose([0, 2, 1]) / size**0.5)  # [heads length length]
        numbers = (first + np.arange(length))[None] * heads + np.arange(heads)[:, None]
        mask = keep_factors(seeds.probabilities, numbers.ravel(), length, drops[1]).reshape(heads, length, length)
        outs.append(((scores * paddle.to_tensor(mask, "float32")) @ parts[2]).transpose([1, 0, 2]).flatten(1))
        first += length
    rows = np.arange(first)

    def dropped(values: Tensor, seed: int) -> Tensor:
        return values * paddle.to_tensor(keep_factors(seed, rows, values.shape[1], drops[0]), "float32")

    mapped = dropped(paddle.concat(outs) @ w.output_weight + w.output_bias, seeds.attended)
    middle = functional.layer_norm(
        hidden + mapped, mapped.shape[1:], w.attention_norm_weight, w.attention_norm_bias, 1e-12
    )
    inner = functional.gelu(middle @ w.intermediate_weight + w.intermediate_bias)
    outer = dropped(inner @ w.ffn_weight + w.ffn_bias, seeds.outer)
    return functional.layer_norm(middle + outer, outer.shape[1:], w.ffn_norm_weight, w.ffn_norm_bias, 1e-12)


@pytest.mark.parametrize("drops", [(0.0, 0.3), (0.3, 0.0), (0.1, 0.2)])
def test_dropout_is_that_of_the_documented_hash_in_both_directions(every_build, drops):
    lengths, heads = [40, 3, 77], 2
    inputs, _, _ = drawn((1, sum(lengths), 24, heads, 56))
    told = in_bf16(heads, "gelu", *drops)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype("int64")
    gradient = paddle.to_tensor(np.random.default_rng(1).normal(size=inputs[0].shape).astype("float32"))
    paddle.seed(5)
    seeds = sample_seeds(told)

    def with_masks(hidden, weights, **_):
        return reference(hidden, weights, heads, lengths, seeds, drops)

    packed = PackedRows(len(lengths), max(lengths), None, starts)
    everything = Rows(1, sum(lengths), paddle.zeros([1, 1, 1, sum(lengths)]))
    expected = run(with_masks, inputs, gradient, packed, told)
    paddle.seed(5)
    found = run(bf16_layer.compute_packed_layer, inputs, gradient, packed, told)
    assert_near(found, expected, everything, 2e-2)


@pytest.mark.parametrize("frozen", [(0,), tuple(range(1, 13)), (1, 4, 7, 12)], ids=str)
def test_what_is_frozen_gets_no_gradient_and_the_rest_keeps_its_own(every_build, frozen):
    shape = SHAPES[2]
    inputs, gradient, rows = drawn(shape)
    whole = run(bf16_layer.compute_layer, inputs, gradient, rows, in_bf16(shape[3]))
    some = run(bf16_layer.compute_layer, inputs, gradient, rows, in_bf16(shape[3]), frozen)
    for number, (one, other) in enumerate(zip(some[1:], whole[1:], strict=True)):
        if number in frozen:
            assert one is None
        else:
            np.testing.assert_array_equal(one, other)


def test_a_sequence_does_not_depend_on_those_beside_it(every_build):
    inputs, _, _ = drawn((1, 90, 24, 2, 56))
    told = in_bf16(2)

    def output(hidden: Tensor, lengths: list[int]) -> np.ndarray:
        rows = PackedRows(len(lengths), max(lengths), None, np.cumsum([0, *lengths]).astype("int64"))
        return bf16_layer.compute_packed_layer(hidden, LayerWeights(*inputs[1:]), settings=told, rows=rows).numpy()

    together = output(inputs[0], [50, 9, 31])
    np.testing.assert_array_equal(together[50:59], output(inputs[0][50:59], [9]))
    changed = inputs[0].clone()
    changed[0:50] = float("nan")
    np.testing.assert_array_equal(output(changed, [50, 9, 31])[50:], together[50:])


def digest() -> str:
    """A sha256 of the output and all gradients of a batch of several chunks."""
    inputs, gradient, _ = drawn((1, 900, 64, 4, 160))
    lengths = [300, 1, 64, 200, 35, 150, 150]
    rows = PackedRows(len(lengths), 300, None, np.cumsum([0, *lengths]).astype("int64"))
    paddle.seed(2)
    found = run(bf16_layer.compute_packed_layer, inputs, gradient, rows, in_bf16(4, "gelu", 0.1, 0.1))
    return hashlib.sha256(b"".join(array.tobytes() for array in found if array is not None)).hexdigest()


def test_the_same_bits_in_threads_beside_each_other():
    inputs, gradient, rows = drawn((4, 60, 64, 4, 160))
    expected = run(bf16_layer.compute_layer, inputs, gradient, rows, in_bf16(4))

    def again(_: int) -> bool:
        found = run(bf16_layer.compute_layer, inputs, gradient, rows, in_bf16(4))
        return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(again, range(20)))


def test_float32_and_processors_without_bfloat16_use_the_other_kernels(monkeypatch):
    hidden = paddle.zeros([2, 4])
    monkeypatch.setattr(bf16_layer, "layer_is_fast", lambda: True)
    assert not bf16_layer.computes_here(settings(1), hidden)
    assert bf16_layer.computes_here(in_bf16(1), hidden)
    assert not bf16_layer.computes_here(in_bf16(1), hidden.astype("float64"))
    monkeypatch.setattr(bf16_layer, "layer_is_fast", lambda: False)
    assert not bf16_layer.computes_here(in_bf16(1), hidden)


@pytest.fixture
def checked_anew():
    bf16_layer.check_layer.cache_clear()
    yield
    bf16_layer.check_layer.cache_clear()


def test_the_check_before_the_first_use_passes_with_each_build(every_build, checked_anew, monkeypatch):
    built = bf16_layer.load_kernels()
    monkeypatch.setattr(packed_layer, "load_kernels", lambda: built)
    before = paddle.get_rng_state()[0].current_seed()
    bf16_layer.check_layer()
    assert paddle.get_rng_state()[0].current_seed() == before


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_layer_that_computes_something_else_is_not_used(number, checked_anew, monkeypatch):
    monkeypatch.setattr(bf16_layer, "layer_is_fast", lambda: True)
    outputs = bf16_layer._outputs

    def wrong(function, *inputs):
        found = list(outputs(function, *inputs))
        if function is packed_layer.PackedLayer:
            found[number] = found[number] * 1.04
        return tuple(found)

    monkeypatch.setattr(bf16_layer, "_outputs", wrong)
    name = ("the layer's output", "the layer's gradient of input", "gradient of attention_norm_bias")[
        (0, 1, 7).index(number)
    ]
    with pytest.raises(Bf16UnavailableError, match=f"{name} is off by .* on this processor"):
        bf16_layer.check_layer()


@pytest.mark.parametrize("write", ["set_value", "memory", "optimizer", "freed"])
def test_weights_are_those_of_the_moment(write):
    """Packed weights must not outlive a write, whoever writes; Paddle counts few of the writers."""
    inputs, gradient, rows = drawn(SHAPES[2])
    told = in_bf16(SHAPES[2][3])
    own = [tensor.clone().detach() for tensor in inputs]
    for tensor in own:
        tensor.stop_gradient = False
    out = bf16_layer.compute_layer(own[0], LayerWeights(*own[1:]), settings=told, rows=rows)
    out.backward(gradient)
    if write == "set_value":
        own[1].set_value(own[1] * 2)
    elif write == "memory":
        ctypes.memset(own[1].data_ptr(), 0, 4 * own[1].size)
    elif write == "optimizer":
        paddle.optimizer.AdamW(0.1, parameters=own[1:]).step()
    else:
        own = [tensor.clone() * 1.5 for tensor in own]
    values = [paddle.to_tensor(tensor.numpy()) for tensor in own]
    fresh = run(bf16_layer.compute_layer, values, gradient, rows, told)
    found = run(bf16_layer.compute_layer, own, gradient, rows, told)
    assert all(np.array_equal(one, other) for one, other in zip(found, fresh, strict=True))


def test_the_gradient_is_that_of_the_weights_which_the_forward_pass_saw(every_build):
    inputs, gradient, rows = drawn(SHAPES[2])
    told = in_bf16(SHAPES[2][3])
    expected = run(bf16_layer.compute_layer, inputs, gradient, rows, told)
    own = [tensor.clone().detach() for tensor in inputs]
    for tensor in own:
        tensor.stop_gradient = False
    out = bf16_layer.compute_layer(own[0], LayerWeights(*own[1:]), settings=told, rows=rows)
    own[7].set_value(own[7] * 3)
    out.backward(gradient)
    np.testing.assert_array_equal(own[0].grad.numpy(), expected[1])


def test_where_the_system_refuses_tiles_the_next_build_is_loaded(monkeypatch):
    loaded = []

    def load(level: str) -> str:
        loaded.append(level)
        if level == "_amx":
            raise library.TilesRefusedError("refused")
        return level

    monkeypatch.setattr(library, "_load", load)
    monkeypatch.setattr("palm.kernels.fused.built.built_levels", lambda: list(FLAGS_OF_LEVEL))
    monkeypatch.setattr(library, "processor_flags", lambda: FLAGS_OF_LEVEL["_amx"])
    assert library._loaded.__wrapped__() == "_avx512bf16"
    assert loaded == ["_amx", "_avx512bf16"]


def test_each_level_is_built_from_objects_of_its_own():
    """Levels have the same sources: built at the same time into one folder, one may take another's instructions."""
    files = [built.file for level in FLAGS_OF_LEVEL if (built := find_library(level)) is not None]
    assert len({file.read_bytes() for file in files}) == len(files)


@pytest.mark.parametrize(("level", "fast"), [("amx", True), ("avx512bf16", True), ("avx512", False), ("base", False)])
def test_builds_with_products_of_bfloat16_compute_the_layer(monkeypatch, level, fast):
    monkeypatch.setattr(bf16_layer, "load_kernels", lambda: SimpleNamespace(level=level))
    assert bf16_layer.layer_is_fast.__wrapped__() is fast
