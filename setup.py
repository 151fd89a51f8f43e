"""Builds the optional C kernels; everything else is in pyproject.toml.

Where no compiler is found the installation goes on without them, and PALM computes in Paddle's own operations.
"""

import copy
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# Without contraction the vector and the scalar loop round alike, so a value does not depend on where its array begins.
FLAGS = [
    "-std=gnu11",
    "-O3",
    "-g0",  # Python's own flags contain -g
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-Wno-psabi",
    "-Wno-unused-function",
]

# Instruction sets by the name of the library that is built for them; palm/kernels/fused/library.py chooses among them.
# x86-64 is built for each level that pays, so that one wheel serves every processor.
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"]
X86_64 = {
    "_amx": [*AVX512, "-mavx512bf16", "-mavx512vnni", "-mamx-tile", "-mamx-bf16", "-mamx-int8"],
    "_avx512bf16": [*AVX512, "-mavx512bf16", "-mavx512vnni"],
    "_vnni": [*AVX512, "-mavx512vnni"],
    "_avx512": AVX512,
    "_avx2": ["-mavx2", "-mfma"],
    "_base": [],
}
SOURCES = [
    *("kernels", "bf16_layer", "float32_layer", "rotary_attention"),
    *("encoder", "encoder_float32", "encoder_bf16", "encoder_int8"),
]
HEADERS = [
    *("vector_math", "layer_plan", "layer_rows"),
    *("bf16_tiles", "bf16_rows", "bf16_attention", "encoder", "int8_tiles"),
]
LEVELS = X86_64 if platform.machine() in ("x86_64", "AMD64") else {"_base": []}


def kernels(name: str, level: list[str]) -> Extension:
    """One shared library. OpenMP is not linked: its symbols bind to the runtime that Paddle loads."""
    return Extension(
        f"palm.kernels.fused.{name}",
        sources=[f"palm/kernels/fused/{source}.c" for source in SOURCES],
        # This file too: a source that is added to the list may be older than the library.
        depends=["setup.py", *(f"palm/kernels/fused/{name}.h" for name in HEADERS)],
        extra_compile_args=[*FLAGS, "-fopenmp", *level],
        optional=True,
    )


class BuildKernels(build_ext):
    """Compiles each library into a folder of its own: all have the same sources, and are compiled at the same time."""

    def build_extension(self, ext: Extension) -> None:
        """Compile and link one library."""
        own = copy.copy(self)
        own.build_temp = str(Path(self.build_temp) / ext.name)
        super(BuildKernels, own).build_extension(ext)


setup(
    cmdclass={"build_ext": BuildKernels},
    ext_modules=[kernels(name, level) for name, level in LEVELS.items()] if sys.platform == "linux" else [],
    options={"build_ext": {"parallel": True}},
)
