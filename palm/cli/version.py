"""`palm --version --json`: the versions of all that a result depends on."""

import platform
import sys
from importlib import metadata

from palm import __version__
from palm.kernels.fused.built import best_level, built_levels, find_library, processor_flags
from palm.runtime.paddle_packages import installed_builds

PACKAGES = ("numpy", "pydantic", "safetensors", "tokenizers")


def versions() -> dict[str, object]:
    """Versions of PALM, Python, Paddle and packages, and the kernels; nothing is imported for it."""
    return {
        "palm": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "system": sys.platform,
        "paddle": installed_builds(),
        "kernels": kernels(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def kernels() -> dict[str, object]:
    """The library that this processor would load.

    Returns:
        `kind`, `fused` or `plain`; the library's `instruction_set`; the instruction sets that are `built`, best first;
        the digest of the `sources` of the library, None for one of before PALM 1.0; and whether it is `stale`, built
        from other sources than those installed, and so not used.
    """
    level = best_level(processor_flags())
    library = find_library(level)
    return {
        "kind": "plain" if library is None or library.is_stale else "fused",
        "instruction_set": None if library is None else level.removeprefix("_"),
        "built": [name.removeprefix("_") for name in built_levels()],
        "sources": None if library is None else library.sources,
        "stale": library is not None and library.is_stale,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
