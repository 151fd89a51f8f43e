"""Runs a command as on a processor with AVX2 and nothing newer: `python -m benchmarks.avx2 demo` for `palm demo`.

PALM's kernels, Paddle's two math libraries and numpy choose by what the processor says that it has; each is told less.
What it cannot show is the clock of such a processor: processor seconds are those of this one.
"""

import os
import sys

HIDDEN_FROM_LIBRARIES = {
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "DNNL_MAX_CPU_ISA": "AVX2",  # oneDNN's name before 2.6
    "OPENBLAS_CORETYPE": "Haswell",
}
_NEWER = ("avx512", "avx_vnni", "amx")


def hide_newer_instructions() -> None:
    """Tell the libraries, and PALM's kernels before they are chosen."""
    os.environ.update(HIDDEN_FROM_LIBRARIES)
    from palm.kernels.fused import built  # noqa: PLC0415 (after the environment is set)

    flags = {flag for flag in built.processor_flags() if not flag.startswith(_NEWER)}
    built.processor_flags = lambda: flags


def main() -> int:
    hide_newer_instructions()
    from palm.cli.main import main as palm  # noqa: PLC0415 (it imports what chooses)

    return palm(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
