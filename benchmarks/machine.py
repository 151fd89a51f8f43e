"""The facts that results depend on and are published with: processor, its instructions, memory, date, versions."""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Names in /proc/cpuinfo of the instructions that the results depend on.
INSTRUCTIONS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX"}
_BF16 = {"avx512_bf16", "amx_bf16"}

Facts = dict[str, str]


def machine_facts(packages: Iterable[str]) -> Facts:
    """Date, processor, instructions, memory, Python, and the versions of `packages` in this environment."""
    flags = cpu_flags(cpuinfo())
    instructions = ", ".join(name for flag, name in INSTRUCTIONS.items() if flag in flags)
    return {
        "date": str(date.today()),
        "cpu": processor(),
        "instructions": instructions,
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB",
        "python": platform.python_version(),
        **versions(packages),
    }


def processor() -> str:
    """The CPU's name and the number of cores that this process may use."""
    fields = (line.partition(":") for line in cpuinfo().splitlines())
    name = next((value.strip() for field, _, value in fields if field.strip() == "model name"), platform.machine())
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def has_bf16(flags: set[str]) -> bool:
    """Whether the processor multiplies bf16 numbers."""
    return bool(flags & _BF16)


def cpu_flags(text: str) -> set[str]:
    """The flags in a `/proc/cpuinfo` text."""
    fields = (line.partition(":") for line in text.splitlines())
    return next((set(value.split()) for field, _, value in fields if field.strip() == "flags"), set())


def cpuinfo() -> str:
    """The kernel's description of the processor."""
    return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")


def versions(packages: Iterable[str]) -> Facts:
    """Version of each package that is installed in this environment."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def versions_in(python: Path, packages: Iterable[str]) -> Facts:
    """The same in the environment of another interpreter."""
    script = f"import importlib.metadata as m; print(*(m.version(name) for name in {list(packages)!r}), sep='\\n')"
    found = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    return dict(zip(packages, found.stdout.split(), strict=True))
