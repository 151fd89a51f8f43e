"""`palm doctor`: report on this machine and installation, with advice for every problem."""

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from palm import __version__
from palm.kernels.fused.built import built_levels
from palm.locale.current import translated_word
from palm.locale.width import padded
from palm.runtime.environment import MATH_DISPATCH, THREADS, RuntimeReport, prepare_runtime
from palm.runtime.paddle_import import import_paddle
from palm.runtime.paddle_packages import import_fault, installed_builds, installed_fault

EPILOG = """example:
  palm doctor
  OMP_NUM_THREADS=1 palm doctor        how fast is one core?
"""

OLDEST_PYTHON = (3, 10)
NEEDED = ("numpy", "tokenizers", "safetensors", "pydantic", "PyYAML", "requests", "rich", "tqdm", "filelock")
OPTIONAL = ("paddle2onnx", "onnxruntime", "transformers", "torch")
LITTLE_DISK = 5e9
# A core does 40 GFLOP/s and more with AVX2; MKL's slowest path about 15.
SLOW_CORE = 20.0
_SIDE = 1024

Level = Literal["fine", "advice", "fatal"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        topic: What was looked at.
        found: What was found.
        level: `advice` where something could be better, `fatal` where PALM cannot run.
        advice: What to do then.

    """

    topic: str
    found: str
    level: Level = "fine"
    advice: str = ""

    def __str__(self) -> str:
        mark = {"fine": " ", "advice": "!", "fatal": "✗"}[self.level]
        advice = f"\n{'':15}→ {self.advice}" if self.advice else ""
        return f"{mark} {padded(translated_word(self.topic), 12)} {self.found}{advice}"


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "doctor",
        help="report on this machine and installation",
        description="Report on this machine and installation, with advice. Exit code 1 when PALM cannot run here.",
        epilog=EPILOG,
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del args, overrides  # there are none
    fatal = False
    for finding in examine(prepare_runtime()):
        sys.stdout.write(f"{finding}\n")
        sys.stdout.flush()
        fatal = fatal or finding.level == "fatal"
    sys.stdout.write("PALM cannot run here: see ✗ above.\n" if fatal else "PALM can run here.\n")
    return 1 if fatal else 0


def examine(runtime: RuntimeReport) -> Iterator[Finding]:
    """Look at everything, quick things first."""
    yield Finding("PALM", f"{__version__} ({Path(__file__).parents[1]})")
    yield python_finding(sys.version_info[:2])
    yield Finding("platform", f"{platform.platform()}, {runtime.cores} usable cores")
    yield from package_findings()
    yield from plugin_findings()
    yield compiler_finding()
    yield disk_finding(Path.cwd())
    yield from runtime_findings(runtime)
    yield from paddle_findings(runtime)


def python_finding(version: tuple[int, ...]) -> Finding:
    """Whether this Python is new enough."""
    found = f"{platform.python_version()} ({sys.executable})"
    if version < OLDEST_PYTHON:
        return Finding("Python", found, "fatal", "PALM needs Python 3.10 to 3.13.")
    return Finding("Python", found)


def package_findings() -> Iterator[Finding]:
    """Versions of the packages PALM uses; a missing required one is fatal."""
    versions = {name: _version(name) for name in (*NEEDED, *OPTIONAL)}
    installed = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield Finding("packages", installed or "none")
    missing = [name for name in NEEDED if not versions[name]]
    if missing:
        advice = f"{sys.executable} -m pip install {' '.join(missing)}"
        yield Finding("packages", f"missing: {', '.join(missing)}", "fatal", advice)


def plugin_findings() -> Iterator[Finding]:
    """The components that other installed packages declare, each imported to see whether it works."""
    from palm.config.components import registries  # noqa: PLC0415 (reads all components)
    from palm.errors import PalmError  # noqa: PLC0415 (as above)
    from palm.plugins import declared_kind, plugin_faults, plugins  # noqa: PLC0415

    known = {declared_kind(registry.kind): registry for registry in registries()}
    faults = dict(plugin_faults({kind: tuple(registry) for kind, registry in known.items()}))
    for plugin in plugins():
        fault = faults.get(plugin)
        try:
            works = fault is None and plugin.name in known[plugin.kind]
        except PalmError as error:
            works, fault = False, str(error)
        yield Finding("plug-ins", str(plugin)) if works else Finding("plug-ins", str(plugin), "advice", f"{fault}")


def compiler_finding() -> Finding:
    """The C compiler that builds the fused kernels, where the installed wheel has none."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None and sys.platform == "linux" and not built_levels():
        advice = "Install gcc, then PALM again: its fused kernels are compiled at installation."
        return Finding("C compiler", "none", "advice", advice)
    return Finding("C compiler", compiler or "none, and none is needed")


def disk_finding(folder: Path) -> Finding:
    """Disk space for checkpoints in the current folder."""
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free in {folder}"
    if free < LITTLE_DISK:
        return Finding(
            "disk", found, "advice", "A checkpoint of BERT-base takes 1.3 GB: set save_path to a larger disk."
        )
    return Finding("disk", found)


def runtime_findings(runtime: RuntimeReport) -> Iterator[Finding]:
    """Threads, math dispatch and malloc in effect."""
    yield thread_finding(runtime, os.environ.get(THREADS))
    dispatch = os.environ.get(MATH_DISPATCH)
    yield Finding(
        "math", f"{MATH_DISPATCH}={dispatch}{_by_whom(runtime, MATH_DISPATCH)}" if dispatch else "as MKL chooses"
    )
    yield Finding("malloc", "keeps large buffers" if runtime.allocator else "default, or set by you")


def thread_finding(runtime: RuntimeReport, threads: str | None) -> Finding:
    """Whether all usable cores compute."""
    if threads is None:
        return Finding("threads", "as Paddle chooses")
    found = f"{THREADS}={threads}{_by_whom(runtime, THREADS)}"
    if threads.isdigit() and int(threads) < runtime.cores:
        advice = f"{runtime.cores} cores are usable: unset {THREADS}, unless several processes share this machine."
        return Finding("threads", found, "advice", advice)
    return Finding("threads", found)


def paddle_findings(runtime: RuntimeReport) -> Iterator[Finding]:
    """Paddle's version and device, and how fast it multiplies matrices."""
    fault = installed_fault()
    if fault is None:
        try:
            import_paddle()
            import paddle  # noqa: PLC0415 (last, after the environment is prepared)
        except Exception as error:  # a broken installation fails in many ways
            cause = error.__cause__
            fault = import_fault(cause if isinstance(cause, Exception) else error)
    if fault is not None:
        yield Finding("Paddle", fault.found, "fatal", fault.advice)
        return
    cuda = paddle.is_compiled_with_cuda()
    package = " ".join(installed_builds()) or "no package"
    yield Finding("Paddle", f"{paddle.__version__} ({package}), built for {'CUDA' if cuda else 'CPU'}")
    yield gpu_finding(cuda=cuda, usable=paddle.device.cuda.device_count() if cuda else 0, driver=_has_gpu_driver())
    yield kernels_finding()
    yield bf16_finding(cpu=paddle.device.get_device() == "cpu")
    yield auto_finding()
    yield speed_finding(measure_matmul(), runtime.cores, cpu=paddle.device.get_device() == "cpu")


def gpu_finding(*, cuda: bool, usable: int, driver: bool) -> Finding:
    """Whether the machine has a GPU that Paddle can use."""
    if usable:
        return Finding("GPU", f"{usable} usable; use_gpu: true computes on the first")
    if driver and not cuda:
        advice = 'To use it: pip uninstall -y paddlepaddle, then pip install "paddle-palm[gpu]".'
        return Finding("GPU", "present, but this Paddle is built for CPU", "advice", advice)
    if driver:
        return Finding(
            "GPU", "a driver, but no GPU usable by Paddle", "advice", "Compare the CUDA versions in nvidia-smi."
        )
    return Finding("GPU", "none; PALM computes on the CPU")


def bf16_finding(*, cpu: bool) -> Finding:
    """Whether `amp: bf16` makes a difference here."""
    from palm.kernels.fused.bf16 import Bf16UnavailableError, check_products  # noqa: PLC0415 (imports Paddle)
    from palm.kernels.fused.bf16_layer import check_layer  # noqa: PLC0415

    try:
        if cpu:
            check_products()
            check_layer()
    except Bf16UnavailableError as reason:
        return Finding("amp: bf16", f"not on this machine: {reason}")
    return Finding("amp: bf16", "multiplies in bfloat16")


def auto_finding() -> Finding:
    """What `amp: auto` chooses here."""
    from palm.kernels.precision import NAMES, choose_precision  # noqa: PLC0415 (imports Paddle)

    chosen = choose_precision("auto")
    return Finding("amp: auto", f"{NAMES[chosen.computed]}: {chosen.reason}")


def kernels_finding() -> Finding:
    """Which kernels compute the encoder with `kernels: auto`."""
    from palm.kernels.fused.library import KernelsUnavailableError, load_kernels  # noqa: PLC0415 (imports Paddle)

    try:
        kernels = load_kernels()
    except KernelsUnavailableError as reason:
        found = f"plain Paddle operations: {reason}"
        if sys.platform != "linux":
            return Finding("kernels", found)
        advice = "They are faster on a CPU: install a wheel that has them, or install gcc, then PALM again."
        return Finding("kernels", found, "advice", advice)
    if kernels.sources is None:
        advice = "Built before PALM 1.0, of unknown sources: run `python setup.py build_ext --inplace` in the clone."
        return Finding("kernels", f"fused, in C for {kernels.level}", "advice", advice)
    return Finding("kernels", f"fused, in C for {kernels.level}, of sources {kernels.sources}")


def speed_finding(gigaflops: float, cores: int, *, cpu: bool) -> Finding:
    """Whether float32 products run as fast as expected of this machine."""
    found = f"{gigaflops:.0f} GFLOP/s in float32 products of {_SIDE} × {_SIDE}"
    if cpu and gigaflops < SLOW_CORE * cores:
        advice = "Slow for this many cores: other programs may be running, or the math library takes its slow path."
        return Finding("speed", found, "advice", advice)
    return Finding("speed", found)


def measure_matmul(seconds: float = 0.5) -> float:
    """GFLOP/s of Paddle's float32 product, the best of what fits in `seconds`."""
    import paddle  # noqa: PLC0415 (a command imports it late)

    left, right = paddle.rand([_SIDE, _SIDE]), paddle.rand([_SIDE, _SIDE])
    float((left @ right)[0, 0])  # the first product initializes the library
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        float((left @ right)[0, 0])
        best = max(best, 2 * _SIDE**3 / (time.perf_counter() - start) / 1e9)
    return best


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _by_whom(runtime: RuntimeReport, name: str) -> str:
    return " (set by PALM)" if name in runtime.chosen else " (set by you)"


def _has_gpu_driver() -> bool:
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None
