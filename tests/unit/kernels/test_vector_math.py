"""The short approximations of vector_math.h, compiled alone, against exact values for every bfloat16."""

import ctypes
import math
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from palm.kernels.fused.library import processor_flags

HEADERS = Path(__file__).parents[3] / "palm" / "kernels" / "fused"
SOURCE = """
#include "vector_math.h"
void compute(const float *x, float *gelu, float *slope, float *power, long count) {
    for (long i = 0; i < count; i += 16) {
        store_floats(gelu + i, gelu_of(load_floats(x + i)));
        store_floats(slope + i, gelu_slope_of(load_floats(x + i)));
        store_floats(power + i, exp2_of(load_floats(x + i)));
    }
}
"""
FLAGS = {"base": [], "avx512": ["-mavx512f", "-mavx512dq", "-mfma"]}


@pytest.fixture(params=FLAGS, scope="module")
def computed(request, tmp_path_factory):
    """All bfloat16 of at most 100, and what C computes of them: GELU, its derivative, 2^x."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    if request.param == "avx512" and not ({"avx512f", "avx512dq"} <= processor_flags() and "x86" in platform.machine()):
        pytest.skip("no AVX-512")
    folder = tmp_path_factory.mktemp("c")
    (folder / "math.c").write_text(SOURCE)
    command = ["gcc", "-std=gnu11", "-O2", "-ffp-contract=off", "-Wno-psabi", "-shared", "-fPIC", f"-I{HEADERS}"]
    subprocess.run([*command, *FLAGS[request.param], "math.c", "-o", "math.so", "-lm"], cwd=folder, check=True)
    x = (np.arange(65536, dtype=np.uint32) << 16).view(np.float32)
    x = x[np.abs(x) <= 100]
    x = np.resize(x, -(-len(x) // 16) * 16)
    found = [np.empty_like(x) for _ in range(3)]
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (x, *found)]
    ctypes.CDLL(str(folder / "math.so")).compute(*pointers, ctypes.c_long(len(x)))
    return x, *found


def distribution(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x.astype(np.float64)])


def nearest_bf16(values: np.ndarray) -> np.ndarray:
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def test_gelu_is_the_bfloat16_nearest_to_the_exact_value(computed):
    x, gelu, _, _ = computed
    exact = x * distribution(x)
    assert (np.abs(gelu - exact) <= 6e-5 + 1e-6 * np.abs(x)).all()
    seen = (x > -4) & (np.abs(x) > 1e-30)
    assert (nearest_bf16(gelu[seen]) == nearest_bf16(exact[seen])).mean() >= 0.998


def test_the_derivative_of_gelu_is_within_a_tenth_of_a_rounding(computed):
    x, _, slope, _ = computed
    exact = distribution(x) + x * np.exp(-0.5 * x.astype(np.float64) ** 2) / math.sqrt(2 * math.pi)
    assert np.abs(slope - exact).max() < 2e-4


def test_powers_of_two(computed):
    x, _, _, power = computed
    inside = (x >= -126) & (x <= 1)
    exact = np.exp2(x[inside].astype(np.float64))
    assert (np.abs(power[inside] - exact) <= 5e-6 * exact).all()
    assert (power[x < -126] <= 2.0**-126).all()
