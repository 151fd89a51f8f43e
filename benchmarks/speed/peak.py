"""The peak of this machine: operations per second of float32 vectors, and of bf16 and int8 in AMX tiles.

    python -m benchmarks.speed.peak

peak.c is compiled with `gcc -march=native`; its operands stay in registers, so nothing computes faster on this
processor. The best of several turns counts, each with one thread per core at once.
"""

import argparse
import ctypes
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(__file__).with_name("peak.c")
KINDS = ("float32", "bf16", "int8")
_SECONDS, _TURNS = 0.2, 5

Peak = dict[str, float]
"""Operations per second of all cores together, by kind; kinds that the processor lacks are missing."""


def measure_peak(threads: int) -> Peak:
    """The peak of `threads` threads.

    Raises:
        OSError, subprocess.CalledProcessError: There is no gcc, or it does not compile the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "peak.so"
        words = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", str(SOURCE), "-o", str(library)]
        subprocess.run(words, check=True)
        functions = ctypes.CDLL(str(library))
        found = {kind: _rate(functions[f"peak_{kind}"], threads) for kind in KINDS}
    return {kind: rate for kind, rate in found.items() if rate}


def _rate(function: "ctypes._NamedFuncPointer", threads: int) -> float:
    function.argtypes, function.restype = [ctypes.c_int64], ctypes.c_double
    rounds = 1 << 16
    started = time.perf_counter()
    if not function(rounds):
        return 0.0
    rounds = int(rounds * _SECONDS / (time.perf_counter() - started))
    with ThreadPoolExecutor(threads) as pool:  # ctypes releases the interpreter's lock
        return max(_turn(function, rounds, threads, pool) for _ in range(_TURNS))


def _turn(function: "ctypes._NamedFuncPointer", rounds: int, threads: int, pool: ThreadPoolExecutor) -> float:
    started = time.perf_counter()
    operations = sum(pool.map(function, [rounds] * threads))
    return operations / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="cores to measure together")
    args = parser.parse_args()
    print(json.dumps({kind: f"{rate / 1e9:.0f} G/s" for kind, rate in measure_peak(args.threads).items()}))


if __name__ == "__main__":
    main()
