"""Products in bfloat16: their rounding, oneDNN's calls in float32, and the fused layer with rounded operands."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import paddle
import pytest

from palm.kernels.fused import bf16
from palm.kernels.fused import layer as fused
from palm.kernels.fused.bf16 import bf16_product, emulated_product, rounded
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels, processor_flags
from palm.kernels.fused.onednn import BFLOAT16, FLOAT32
from tests.unit.kernels.test_fused import assert_close, drawn, run, settings

try:
    load_kernels()
except KernelsUnavailableError as reason:
    pytest.skip(f"no fused kernels: {reason}", allow_module_level=True)

LAYOUTS = list(itertools.product([[], [1], [3], [2, 3]], [False, True], [False, True]))


def operands(batch: list[int], one_lies: bool, other_lies: bool) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    one = generator.normal(size=[*batch, *((7, 5) if one_lies else (5, 7))]).astype("float32")
    other = generator.normal(size=[*batch, *((11, 7) if other_lies else (7, 11))]).astype("float32")
    return one, other


def expected(one: np.ndarray, other: np.ndarray, one_lies: bool, other_lies: bool) -> np.ndarray:
    turned = (np.swapaxes(each, -1, -2) if lies else each for each, lies in ((one, one_lies), (other, other_lies)))
    return np.matmul(*(each.astype("float64") for each in turned))


def test_rounding_is_to_the_nearest_and_ties_go_to_even():
    values = [1.0, 1.00390625, 1.01171875, -3.14159, 65504.0, float("inf"), 0.0]
    found = rounded(paddle.to_tensor(values)).astype("float32").numpy()
    # 8 bits of mantissa: 1 + 1/256 is half way between 1 and 1 + 1/128, 1 + 3/256 between 1 + 1/128 and 1 + 1/64
    assert found.tolist() == [1.0, 1.0, 1.015625, -3.140625, 65536.0, float("inf"), 0.0]


def test_what_is_no_number_stays_none():
    bits = np.array([0x7FC00000, 0x7F800001, 0xFFFFFFFF], "uint32")
    assert np.isnan(rounded(paddle.to_tensor(bits.view("float32"))).astype("float32").numpy()).all()


@pytest.mark.parametrize(("batch", "one_lies", "other_lies"), LAYOUTS)
def test_onednn_multiplies_every_layout(batch: list[int], one_lies: bool, other_lies: bool):
    one, other = operands(batch, one_lies, other_lies)
    tensors = paddle.to_tensor(one), paddle.to_tensor(other)
    found = bf16._multiplied(*tensors, (one_lies, other_lies), FLOAT32)
    np.testing.assert_allclose(found.numpy(), expected(one, other, one_lies, other_lies), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("batch", "one_lies", "other_lies"), LAYOUTS)
def test_products_of_rounded_numbers(batch: list[int], one_lies: bool, other_lies: bool):
    one, other = operands(batch, one_lies, other_lies)
    tensors = paddle.to_tensor(one), paddle.to_tensor(other)
    multiply = bf16_product if processor_flags() & bf16.FAST else emulated_product
    found = multiply(*tensors, transpose_one=one_lies, transpose_other=other_lies).numpy()
    short = [rounded(each).astype("float32").numpy() for each in tensors]
    np.testing.assert_allclose(found, expected(*short, one_lies, other_lies), rtol=1e-5, atol=1e-5)
    assert np.abs(found - expected(one, other, one_lies, other_lies)).max() > 1e-4  # they were rounded


def test_a_layer_in_bfloat16_is_near_the_one_in_float32(monkeypatch):
    shape = (4, 33, 384, 12, 1536)
    inputs, gradient, rows = drawn(shape)
    told = settings(shape[3])
    if not processor_flags() & bf16.FAST:
        monkeypatch.setattr(fused, "bf16_product", emulated_product)
    short = run(fused.compute_layer, inputs, gradient, rows, replace(told, bf16=True))
    exact = run(fused.compute_layer, inputs, gradient, rows, told)
    assert_close(short, exact, limit=0.03)
    assert np.abs(short[0] - exact[0]).max() > 1e-5


def test_an_empty_batch_gives_an_empty_product():
    assert bf16._multiplied(paddle.zeros([0, 4]), paddle.zeros([4, 3]), (False, False), FLOAT32).shape == [0, 3]


THREADS, ROUNDS = 3, 150


@pytest.mark.parametrize("data_type", [FLOAT32, BFLOAT16], ids=["float32", "bfloat16"])
def test_threads_compute_what_each_computes_alone(data_type: int):
    """All with the same cached products, some of which take scratch memory."""
    if data_type == BFLOAT16 and not processor_flags() & bf16.FAST:
        pytest.skip("this processor multiplies no bfloat16")

    def products(seed: int) -> list[bytes]:
        generator = np.random.default_rng(seed)
        shapes = ((64, 96), (96, 80), (33, 17), (17, 40))
        one, other, third, fourth = (
            paddle.to_tensor(generator.normal(size=shape).astype("float32")) for shape in shapes
        )
        if data_type == BFLOAT16:
            one, other, third, fourth = (rounded(each) for each in (one, other, third, fourth))
        pairs = ((one, other), (third, fourth))
        return [bf16._multiplied(*pair, (False, False), data_type).numpy().tobytes() for pair in pairs]

    def differences(seed: int) -> int:
        return sum(products(seed) != alone[seed] for _ in range(ROUNDS))

    alone = [products(seed) for seed in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as threads:
        assert list(threads.map(differences, range(THREADS))) == [0] * THREADS
