import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.machine import cpu_flags, has_bf16, machine_facts, versions, versions_in

CPUINFO = """processor\t: 0
model name\t: AMD EPYC
flags\t\t: fpu avx2 avx512f avx512_bf16

processor\t: 1
flags\t\t: fpu
"""


def test_flags_are_those_of_the_first_core():
    assert cpu_flags(CPUINFO) == {"fpu", "avx2", "avx512f", "avx512_bf16"}
    assert cpu_flags("") == set()


def test_bf16_needs_one_of_two_instruction_sets():
    assert has_bf16(cpu_flags(CPUINFO))
    assert has_bf16({"amx_bf16"})
    assert not has_bf16({"avx2", "avx512f"})


def test_facts_name_the_versions_of_what_is_installed():
    facts = machine_facts(["numpy", "no-such-package"])

    assert list(facts) == ["date", "cpu", "instructions", "memory", "python", "numpy"]
    assert facts["numpy"] == version("numpy")


def test_versions_in_another_environment():
    assert versions_in(Path(sys.executable), ["numpy", "pytest"]) == versions(["numpy", "pytest"])
