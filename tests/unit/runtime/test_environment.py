"""Decisions about threads, math dispatch and malloc are pure; the whole is tried in processes of its own."""

import json
import os
import subprocess
import sys

import pytest

from palm.runtime.environment import (
    Machine,
    cores_under_quota,
    decide_allocator,
    decide_environment,
    decide_math_dispatch,
    this_machine,
    too_late,
)

AMD_AVX512 = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 9R14
flags\t\t: fpu sse avx avx2 avx512f avx512dq avx512bw avx512vl avx512_bf16

processor\t: 1
vendor_id\t: AuthenticAMD
"""
AMD_AVX2 = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu sse avx avx2 fma\n"
AMD_OLD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu sse sse2\n"
INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse avx avx2 avx512f avx512dq avx512bw avx512vl\n"
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd\n"

GLIBC = Machine("linux", "glibc 2.36", AMD_AVX2, cores=4)
MUSL = Machine("linux", "", AMD_AVX2, cores=4)
MAC = Machine("darwin", "", "", cores=8)


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (AMD_AVX512, "7"),
        (AMD_AVX512.replace(" avx512vl", ""), "5"),
        (AMD_AVX2, "5"),
        (AMD_OLD, None),
        (INTEL, None),
        (ARM, None),
        ("", None),
    ],
)
def test_math_dispatch_follows_vendor_and_flags(cpuinfo: str, expected: str | None) -> None:
    assert decide_math_dispatch(cpuinfo) == expected


def test_environment_of_linux_on_amd() -> None:
    assert decide_environment(GLIBC) == {"OMP_NUM_THREADS": "4", "MKL_DEBUG_CPU_TYPE": "5"}


def test_intel_gets_threads_only() -> None:
    assert decide_environment(Machine("linux", "glibc 2.36", INTEL, cores=2)) == {"OMP_NUM_THREADS": "2"}


def test_nothing_is_set_on_other_systems() -> None:
    assert decide_environment(MAC) == {}
    assert not decide_allocator(MAC, {})


@pytest.mark.parametrize(
    ("cores", "quotas", "expected"),
    [
        (8, [], 8),
        (8, ["max 100000"], 8),
        (8, ["200000 100000"], 2),
        (8, ["150000 100000"], 2),
        (8, ["50000 100000"], 1),
        (2, ["400000 100000"], 2),
        (8, ["max 100000", "400000 100000", "300000 100000"], 3),
        (8, ["-1 100000"], 8),
    ],
)
def test_quotas_lower_the_number_of_cores(cores: int, quotas: list[str], expected: int) -> None:
    assert cores_under_quota(cores, quotas) == expected


@pytest.mark.parametrize(
    ("machine", "environment", "expected"),
    [
        (GLIBC, {}, True),
        (MUSL, {}, False),
        (GLIBC, {"MALLOC_TRIM_THRESHOLD_": "1"}, False),
        (GLIBC, {"GLIBC_TUNABLES": "glibc.malloc.top_pad=1"}, False),
        (GLIBC, {"LD_PRELOAD": "/usr/lib/libtcmalloc.so.4"}, False),
        (GLIBC, {"LD_PRELOAD": "/usr/lib/libfaketime.so"}, True),
    ],
)
def test_malloc_is_left_to_users_who_set_it(machine: Machine, environment: dict[str, str], expected: bool) -> None:
    assert decide_allocator(machine, environment) is expected


def test_too_late_is_what_paddle_chose_but_not_what_the_user_chose() -> None:
    wanted = {"OMP_NUM_THREADS": "4", "MKL_DEBUG_CPU_TYPE": "5"}
    paddle_set_it = {"OMP_NUM_THREADS": "1"}
    assert too_late(wanted, paddle_set_it, at_start={}) == wanted
    assert too_late(wanted, paddle_set_it, at_start=paddle_set_it) == {"MKL_DEBUG_CPU_TYPE": "5"}
    assert too_late(wanted, wanted, at_start={}) == {}


SHOW = """
import json, os, sys
from palm.runtime.environment import prepare_runtime
first = prepare_runtime()
os.environ["OMP_NUM_THREADS"] = "changed"
again = prepare_runtime()
print(json.dumps([dict(first.chosen), dict(first.kept), again is first, "paddle" in sys.modules, first.cores]))
"""


def _in_a_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**clean, **environment}, capture_output=True, text=True, check=True
    )


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is set elsewhere")
def test_sets_the_threads_once_without_paddle() -> None:
    chosen, kept, same, paddle, cores = json.loads(_in_a_process(SHOW).stdout)
    assert chosen["OMP_NUM_THREADS"] == str(cores)
    assert 1 <= cores <= len(os.sched_getaffinity(0))
    assert (kept, same, paddle) == ({}, True, False)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is set elsewhere")
def test_a_users_own_settings_win() -> None:
    chosen, kept, *_ = json.loads(_in_a_process(SHOW, OMP_NUM_THREADS="3", MKL_DEBUG_CPU_TYPE="4").stdout)
    assert (chosen, kept) == ({}, {"OMP_NUM_THREADS": "3", "MKL_DEBUG_CPU_TYPE": "4"})


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one core: nothing is lost"
)
def test_says_once_what_is_lost_when_paddle_came_first() -> None:
    code = "import paddle; from palm.runtime.environment import prepare_runtime as p; p(); print(dict(p().lost))"
    done = _in_a_process(code)
    assert "OMP_NUM_THREADS" in done.stdout
    assert done.stderr.count("Paddle was imported before PALM") == 1
    assert "start Python with OMP_NUM_THREADS=" in done.stderr
    assert (
        "Paddle was imported before PALM" not in _in_a_process(code, OMP_NUM_THREADS="1", MKL_DEBUG_CPU_TYPE="5").stderr
    )


@pytest.mark.parametrize(("ranks", "cores"), [("", 8), ("2", 4), ("3", 2), ("16", 1), ("x", 8)])
def test_ranks_of_one_machine_share_its_cores(monkeypatch, ranks, cores):
    monkeypatch.setenv("PADDLE_LOCAL_SIZE", ranks)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    monkeypatch.setattr("palm.runtime.environment._cgroup_quotas", list)
    assert this_machine().cores == cores
