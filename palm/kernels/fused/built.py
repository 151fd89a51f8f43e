"""The libraries of C kernels: what they are built from, which of them lie here, and whether they are of these sources.

`setup.py` runs this file by itself, so it imports the standard library only.
"""

import hashlib
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

FOLDER = Path(__file__).parent
SUFFIX = ".so"  # without a version of Python: the libraries do not use its API

# Without contraction the vector and the scalar loop round alike, so a value does not depend on where its array begins.
COMPILER_FLAGS = (
    "-std=gnu11",
    "-O3",
    "-g0",  # Python's own flags contain -g
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-Wno-psabi",
    "-Wno-unused-function",
    "-fopenmp",
)
SOURCES = (
    *("kernels.c", "bf16_layer.c", "float32_layer.c", "rotary_attention.c", "decoder_attention.c"),
    *("encoder.c", "encoder_float32.c", "encoder_bf16.c", "encoder_int8.c"),
)

# The compiler's names of instruction sets; /proc/cpuinfo's are in `FLAGS_OF_LEVEL`.
_AVX512_OPTIONS = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma", "-mprefer-vector-width=512")
_BF16_OPTIONS = (*_AVX512_OPTIONS, "-mavx512bf16", "-mavx512vnni")
# x86-64 is built for each level that pays, so that one wheel serves every processor.
OPTIONS_OF_LEVEL: Mapping[str, tuple[str, ...]] = {
    "_amx": (*_BF16_OPTIONS, "-mamx-tile", "-mamx-bf16", "-mamx-int8"),
    "_avx512bf16": _BF16_OPTIONS,
    "_vnni": (*_AVX512_OPTIONS, "-mavx512vnni"),
    "_avx512": _AVX512_OPTIONS,
    "_avx2": ("-mavx2", "-mfma"),
    "_base": (),
}
_AVX512 = {"avx512f", "avx512bw", "avx512vl", "avx512dq", "fma"}
FLAGS_OF_LEVEL = {
    "_amx": {*_AVX512, "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "amx_int8"},
    "_avx512bf16": {*_AVX512, "avx512_bf16", "avx512_vnni"},
    "_vnni": {*_AVX512, "avx512_vnni"},
    "_avx512": _AVX512,
    "_avx2": {"avx2", "fma"},
    "_base": set[str](),
}

_STAMP = re.compile(rb"palm-sources:([0-9a-f]{16})")
_X86_64 = ("x86_64", "AMD64")


@dataclass(frozen=True)
class BuiltLibrary:
    """One library that lies here.

    Attributes:
        file: Its file.
        sources: The digest of the sources that it was built from; None for one built before PALM 1.0.
    """

    file: Path
    sources: str | None

    @property
    def is_stale(self) -> bool:
        """Whether it was built from other sources than those beside it."""
        return self.sources is not None and self.sources != sources_digest()


def levels_here() -> dict[str, tuple[str, ...]]:
    """The levels that are built on this kind of processor, and the compiler's options of each."""
    return {name: own for name, own in OPTIONS_OF_LEVEL.items() if name == "_base" or platform.machine() in _X86_64}


@cache
def sources_digest(folder: Path = FOLDER) -> str:
    """16 hex digits of the sha256 of the C files in `folder` and of the compiler's flags."""
    found = hashlib.sha256(repr((COMPILER_FLAGS, sorted(OPTIONS_OF_LEVEL.items()))).encode())
    for file in sorted([*folder.glob("*.c"), *folder.glob("*.h")], key=lambda each: each.name):
        found.update(f"\n{file.name}\n".encode())
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def find_library(level: str, folder: Path = FOLDER) -> BuiltLibrary | None:
    """The library for `level`, such as `_avx2`; None where it was not built."""
    # Before 1.0 the names had a version of Python; such a library is as good until the sources change.
    names = (f"{level}{suffix}" for suffix in (SUFFIX, *EXTENSION_SUFFIXES))
    file = next((file for name in names if (file := folder / name).exists()), None)
    if file is None:
        return None
    stamp = _STAMP.search(file.read_bytes())
    return BuiltLibrary(file, stamp[1].decode() if stamp else None)


def built_levels() -> list[str]:
    """The levels whose libraries lie here, best first."""
    return [level for level in OPTIONS_OF_LEVEL if find_library(level) is not None]


def best_level(flags: set[str]) -> str:
    """The best level that is built and that a processor with `flags` runs; `_base` where none is built."""
    built = built_levels()
    return next((level for level in built if flags >= FLAGS_OF_LEVEL[level]), "_base")


def processor_flags() -> set[str]:
    """Flags of an x86 processor in /proc/cpuinfo; empty elsewhere."""
    if platform.machine() not in _X86_64:
        return set()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return next((set(line.split(":", 1)[1].split()) for line in text.splitlines() if line.startswith("flags")), set())
