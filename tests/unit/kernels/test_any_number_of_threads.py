"""The kernels give the same bits with any number of OpenMP threads, which a process has from its beginning."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Modules of tests with a function `digest`. One process per number of threads computes all of them.
MODULES = (
    *("test_fused", "test_fused_rotary", "test_fused_decoder", "test_float32_layer"),
    *("test_bf16_layer", "test_encoder_call", "test_encoder_int8"),
)
THREADS = ("1", "2", "3", "5")
PROGRAM = """
import importlib, json, sys
import numpy.random, zlib
import pytest
sys.path.insert(0, ".")
found = {}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(f"tests.unit.kernels.{name}")
        found[name] = module.digest() if getattr(module, "available", lambda: True)() else None
    except pytest.skip.Exception:
        found[name] = None
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def digests() -> list[dict[str, str | None]]:
    """For each number of threads the digest of each module, None where it has no kernels to test."""
    return [
        json.loads(
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", PROGRAM, *MODULES],
                cwd=Path(__file__).parents[3],
                env={"OMP_NUM_THREADS": threads, "PATH": ""},
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()[-1]
        )
        for threads in THREADS
    ]


@pytest.mark.parametrize("module", MODULES)
def test_the_same_bits_with_any_number_of_threads(digests: list[dict[str, str | None]], module: str) -> None:
    found = {of_threads[module] for of_threads in digests}
    if found == {None}:
        pytest.skip("no such kernels: the module says why")
    assert len(found) == 1
    assert len(str(found.pop())) >= 64
