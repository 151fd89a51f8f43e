"""Common options of the benchmarks, and the participants of most of them."""

import argparse
import ctypes.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import Facts, cpu_flags, cpuinfo, has_bf16, machine_facts, versions_in
from benchmarks.speed.peak import Peak, measure_peak
from benchmarks.speed.quiet import LIMIT, quiet_machine
from benchmarks.speed.results import RESULTS
from benchmarks.speed.side_by_side import ROOT, Participant, Plan
from benchmarks.speed.workloads import Config

FUSED, PLAIN, PALM_BF16 = "PALM float32", "PALM plain", "PALM bf16"
EAGER, TUNED, MEDIUM, TORCH_BF16 = "PyTorch eager", "PyTorch tuned", "PyTorch medium", "PyTorch bf16"
COMPILED, COMPILED_BF16 = "PyTorch compiled", "PyTorch compiled, bf16"
# Peers whose products are in bf16 on a processor with AMX.
BF16_PEERS = (MEDIUM, TORCH_BF16, COMPILED_BF16)

PALM_TRAINING = "benchmarks.speed.palm_training"
PLAIN_SCRIPT = "benchmarks.speed.peers.plain_script"

# Variables that tune a library; they are not passed on to participants.
_OF_THE_SHELL = ("OMP_", "KMP_", "GOMP_", "MKL_", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "FLAGS_", "PALM_")
# <malloc.h>: large buffers stay in the heap, as with tcmalloc.
_GLIBC_TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_TOP_PAD_": str(64 << 20)}


@dataclass(frozen=True)
class Lineup:
    """Creates participants with the same number of threads.

    Attributes:
        model: Hugging Face folder of the encoder.
        peers: Interpreter of the peers' environment.
        threads: Threads of each participant.
        tcmalloc: The allocator of tuned peers; None if not installed, so that glibc's is tuned instead.
        bf16: Whether the processor multiplies bf16 numbers.
        only: Names of the participants to keep; empty for all.
        peak: What this machine computes at most.
        quiet: The load of the machine, for the results.
    """

    model: Path
    peers: Path
    threads: int
    tcmalloc: Path | None
    bf16: bool
    only: Sequence[str]
    peak: Peak = field(default_factory=dict)
    quiet: Facts = field(default_factory=dict)

    def palm(self, name: str, config: Config, module: str = PALM_TRAINING) -> Participant:
        """PALM on `config`, its kernels and precision by `name`."""
        kernels = "plain" if name.startswith(PLAIN) else "fused"
        keys = {"kernels": kernels, "amp": "bf16" if name.startswith(PALM_BF16) else "off"}
        settings = {"config": {**config, **keys}}
        return Participant(name, Path(sys.executable), module, settings, self.environment({}))

    def torch(self, name: str, settings: Mapping[str, object], module: str = PLAIN_SCRIPT) -> Participant:
        """A peer by the words in its name: `tuned` (allocator), `medium`, `bf16` (autocast), `compiled`, `sorted`.

        Each of the others is tuned, too; without such a word the peer has PyTorch's defaults.
        """
        words = {"tuned", "medium", "bf16", "compiled", "sorted"} & set(re.findall(r"\w+", name))
        medium = bool(words & {"medium", "bf16"})
        keys = {"matmul": "medium" if medium else "highest", "bf16": "bf16" in words}
        keys |= {word: True for word in ("compiled", "sorted") if word in words}
        environment = self.environment(self._allocator() if words else {})
        return Participant(name, self.peers, module, {**settings, **keys}, environment)

    def usual(self, config: Config, settings: Mapping[str, object], *, compiled: bool = False) -> list[Participant]:
        """PALM with and without its C code, PyTorch with defaults and tuned; also in bf16 if supported.

        Args:
            config: PALM's configuration.
            settings: The peers' settings.
            compiled: Whether PyTorch takes part with `torch.compile`, too.
        """
        ours = [FUSED, PLAIN, *([PALM_BF16] if self.bf16 else [])]
        theirs = [EAGER, TUNED, *([MEDIUM, TORCH_BF16] if self.bf16 else [])]
        theirs += [COMPILED, *([COMPILED_BF16] if self.bf16 else [])] if compiled else []
        return [*(self.palm(name, config) for name in ours), *(self.torch(name, settings) for name in theirs)]

    def kept(self, participants: Sequence[Participant]) -> list[Participant]:
        """Those named by `--only`.

        Raises:
            SystemExit: It names none.
        """
        found = [one for one in participants if not self.only or one.name in self.only]
        _say(f"participants: {', '.join(one.name for one in found)}")
        if not found:
            here = ", ".join(f"`{one.name}`" for one in participants)
            raise SystemExit(f"--only: takes names among the participants ({here}). Found {', '.join(self.only)}.")
        return found

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """This process's environment without variables that tune libraries, plus the number of threads and `extra`."""
        quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "true"}
        # A participant that tokenises in one lap does so in every lap.
        uncached = {"PALM_CACHE_LIMIT": "0"}
        return {**shell_without_tuning(), **quiet, **uncached, "OMP_NUM_THREADS": str(self.threads), **extra}

    def facts(self, plan: Plan) -> Facts:
        """The facts that the results depend on."""
        allocator = self.tcmalloc.name if self.tcmalloc else "glibc's, tuned (no tcmalloc on this machine)"
        return {
            **machine_facts(("paddlepaddle", "tokenizers")),
            **versions_in(self.peers, ("torch", "transformers")),
            "threads": str(self.threads),
            "allocator of the tuned peers": allocator,
            "bf16": "yes" if self.bf16 else "not available on this CPU",
            "peak": ", ".join(f"{kind} {rate / 1e9:,.0f} G/s" for kind, rate in self.peak.items()) or "not measured",
            **self.quiet,
            "rounds": f"{plan.rounds} of {plan.steps} steps after {plan.warm_up}"
            + (f", and {plan.settle} in each round that do not count" if plan.settle else ""),
        }

    def _allocator(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.tcmalloc)} if self.tcmalloc else dict(_GLIBC_TUNED)


def shell_without_tuning() -> dict[str, str]:
    """This process's environment without variables that tune libraries."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_SHELL)}


def parser_of(description: str | None, plan: Plan) -> argparse.ArgumentParser:
    """A parser with the common options.

    Args:
        description: The script's docstring.
        plan: Default rounds and steps.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "pretrain/minilm-l6-en", help="Hugging Face folder")
    parser.add_argument("--peers", type=Path, default=ROOT / ".peers", help="the environment made by make_peers.py")
    parser.add_argument("--rounds", type=int, default=plan.rounds, help="measured turns of each participant")
    parser.add_argument("--steps", type=int, default=plan.steps, help="steps per turn")
    parser.add_argument("--warm_up", type=int, default=plan.warm_up, help="steps before the first turn")
    parser.add_argument("--settle", type=int, default=plan.settle, help="steps of each turn that are not counted")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of each participant")
    parser.add_argument(
        "--tcmalloc", type=Path, help="libtcmalloc_minimal.so for the tuned peers; default: search for it"
    )
    parser.add_argument("--only", nargs="+", default=[], help="names of participants")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the markdown file to write")
    add_quiet_options(parser)
    return parser


def add_quiet_options(parser: argparse.ArgumentParser) -> None:
    """Options of `quiet_machine`."""
    parser.add_argument("--load", type=float, default=LIMIT, help="cores that other processes may keep busy")
    parser.add_argument("--wait", type=float, default=600, help="seconds to wait for a quiet machine")


def plan_of(args: argparse.Namespace, *, together: bool = True) -> Plan:
    """Rounds and steps of the command line."""
    return Plan(args.rounds, args.steps, args.warm_up, together=together, settle=args.settle)


@contextmanager
def lineup_of(args: argparse.Namespace) -> Iterator[Lineup]:
    """The participants of the command line, while nothing else runs on this machine.

    Raises:
        SystemExit: A folder does not exist, or the machine is busy.
    """
    python = args.peers / "bin" / "python"
    if not python.is_file():
        raise SystemExit(
            f"--peers: must be a virtual environment. Found none at {args.peers}. Create it: "
            f"python -m benchmarks.speed.make_peers {args.peers}"
        )
    if not (args.model / "config.json").is_file():
        raise SystemExit(
            f"--model: must be a Hugging Face folder. Found no {args.model / 'config.json'}. "
            "Download one: palm download minilm-l6-en"
        )
    bf16 = has_bf16(cpu_flags(cpuinfo()))
    with quiet_machine(limit=args.load, wait=args.wait) as quiet:
        yield Lineup(
            args.model.resolve(),
            python.absolute(),
            args.threads,
            args.tcmalloc or find_tcmalloc(),
            bf16,
            args.only,
            peak_or_nothing(args.threads),
            quiet,
        )


def peak_or_nothing(threads: int) -> Peak:
    """The peak of the machine; empty, with a line on stderr, without a C compiler."""
    try:
        return measure_peak(threads)
    except (OSError, subprocess.CalledProcessError) as error:
        _say(f"the peak of this machine is not measured: {error}")
        return {}


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def find_tcmalloc() -> Path | None:
    """The shared library of tcmalloc, if installed (Debian: libtcmalloc-minimal4)."""
    for name in ("tcmalloc_minimal", "tcmalloc"):
        soname = ctypes.util.find_library(name)
        listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
        for line in listed.splitlines() if soname else ():
            if line.strip().startswith(f"{soname} "):
                return Path(line.partition("=>")[2].strip())
    return None


@contextmanager
def work_folder() -> Iterator[Path]:
    """A temporary folder for data and outputs."""
    with tempfile.TemporaryDirectory(prefix="palm-speed-") as folder:
        yield Path(folder)
