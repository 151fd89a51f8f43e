"""The builds of Paddle that are installed: `paddlepaddle` for CPUs, `paddlepaddle-gpu` for GPUs; PALM needs one.

Neither is a dependency of PALM itself, since they write the same files: the extras `cpu` and `gpu` name them.
"""

import importlib.util
import re
import sys
from dataclasses import dataclass

BUILDS = ("paddlepaddle", "paddlepaddle-gpu")
"""Packages that provide the module `paddle`."""
OLDEST = (2, 6, 2)
_INSTALL = 'pip install "paddle-palm[cpu]", or "paddle-palm[gpu]" for an NVIDIA GPU'


@dataclass(frozen=True)
class PaddleFault:
    """Why PALM cannot compute with the installed Paddle.

    Attributes:
        rule: What is expected.
        found: What is installed.
        advice: What to do.
    """

    rule: str
    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.rule} Found {self.found}. {self.advice}"


def installed_builds() -> dict[str, str]:
    """The version of each build that is installed."""
    from importlib import metadata  # noqa: PLC0415 (slow, and `palm --help` needs none)

    found = {}
    for name in BUILDS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def find_fault(builds: dict[str, str], *, importable: bool) -> PaddleFault | None:
    """What is wrong with the installed builds, as far as it is known without importing Paddle.

    Args:
        builds: What `installed_builds` has found; a Paddle that was built on this machine may not be among them.
        importable: Whether there is a module `paddle`.
    """
    found = ", ".join(f"{name} {version}" for name, version in builds.items())
    if len(builds) > 1:
        advice = f"Keep one: pip uninstall -y {' '.join(builds)}, then {_INSTALL}."
        return PaddleFault("One build of Paddle is needed; two overwrite each other's files.", found, advice)
    if not importable:
        where = f"{found} without its module" if builds else f"none in {sys.prefix}"
        advice = f"Install it: {_INSTALL}."
        return PaddleFault("PALM computes with Paddle, which is installed with one of two extras.", where, advice)
    if any(_numbers(version) < OLDEST for version in builds.values()):
        oldest = ".".join(map(str, OLDEST))
        return PaddleFault(f"PALM computes with Paddle {oldest} to 3.x.", found, f"Install a newer one: {_INSTALL}.")
    return None


def installed_fault() -> PaddleFault | None:
    """What is wrong with the Paddle of this process; None if it can be imported as far as is known."""
    importable = "paddle" in sys.modules or importlib.util.find_spec("paddle") is not None
    return find_fault(installed_builds(), importable=importable)


def missing_paddle(error: BaseException) -> str | None:
    """The message for an `import paddle` that has failed since it is not installed; None for any other error."""
    if not isinstance(error, ModuleNotFoundError) or error.name != "paddle":
        return None
    return f"Paddle: {find_fault(installed_builds(), importable=False)}"


def import_fault(error: Exception) -> PaddleFault:
    """What to do about a Paddle whose import has failed."""
    advice = "Reinstall it in a fresh virtual environment; it has wheels for Linux x86-64."
    if "libgomp" in str(error):
        advice = "Install OpenMP's library: apt-get install libgomp1."
    elif re.search(r"lib(cu|nv)|CUDA", str(error)):
        advice = "Its CUDA libraries are missing: install the build for your CUDA version, or the CPU build."
    return PaddleFault("The installed Paddle cannot be imported.", f"{type(error).__name__}: {error}", advice)


def _numbers(version: str) -> tuple[int, ...]:
    """`2.6.2.post117` → (2, 6, 2); a build of the newest sources, `0.0.0`, counts as new."""
    numbers = tuple(map(int, re.findall(r"\d+", version)[:3]))
    return numbers if any(numbers) else OLDEST
