"""`palm doctor`: each finding by its function, and the whole command once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import palm
from palm.cli import doctor
from palm.cli.doctor import (
    compiler_finding,
    disk_finding,
    gpu_finding,
    kernels_finding,
    package_findings,
    python_finding,
    speed_finding,
    thread_finding,
)
from palm.kernels.fused import library
from palm.runtime.environment import RuntimeReport

FOUR_CORES = RuntimeReport(cores=4, chosen={}, kept={}, allocator=True, lost={})


def test_an_old_python_is_fatal() -> None:
    assert python_finding((3, 9)).level == "fatal"
    assert python_finding((3, 10)).level == "fine"


def test_few_threads_get_advice() -> None:
    finding = thread_finding(FOUR_CORES, "1")
    assert (finding.level, finding.found) == ("advice", "OMP_NUM_THREADS=1 (set by you)")
    assert finding.advice.startswith("4 cores are usable")
    assert thread_finding(FOUR_CORES, "4").level == "fine"
    assert thread_finding(FOUR_CORES, None).level == "fine"


@pytest.mark.parametrize(
    ("cuda", "usable", "driver", "level", "found"),
    [
        (False, 0, False, "fine", "none"),
        (False, 0, True, "advice", "built for CPU"),
        (True, 0, True, "advice", "no GPU usable by Paddle"),
        (True, 2, True, "fine", "2 usable"),
    ],
)
def test_gpu(cuda: bool, usable: int, driver: bool, level: str, found: str) -> None:
    finding = gpu_finding(cuda=cuda, usable=usable, driver=driver)
    assert finding.level == level
    assert found in finding.found


def test_slow_products_get_advice_on_a_cpu_only() -> None:
    assert speed_finding(30.0, 2, cpu=True).level == "advice"
    assert speed_finding(130.0, 2, cpu=True).level == "fine"
    assert speed_finding(30.0, 2, cpu=False).level == "fine"


def test_a_compiler_is_missed_only_where_there_are_no_kernels(monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(doctor, "built_levels", lambda: ["_avx2"])
    assert compiler_finding().level == "fine"
    monkeypatch.setattr(doctor, "built_levels", list)
    assert compiler_finding().level == "advice"
    monkeypatch.setattr("sys.platform", "win32")
    assert compiler_finding().level == "fine"


def test_where_no_kernels_are_built_it_is_said_once_and_without_advice(monkeypatch) -> None:
    def none() -> None:
        raise library.KernelsUnavailableError(library._why_none())

    monkeypatch.setattr(library, "load_kernels", none)
    assert kernels_finding().level == "advice"
    monkeypatch.setattr("sys.platform", "darwin")
    finding = kernels_finding()
    assert (finding.level, finding.found) == ("fine", "plain Paddle operations: they are built for Linux only")


def test_kernels_of_unknown_sources_are_advised_to_be_built_again(monkeypatch) -> None:
    monkeypatch.setattr(library, "load_kernels", lambda: type("Kernels", (), {"level": "avx2", "sources": None}))
    assert "setup.py build_ext --inplace" in kernels_finding().advice


def test_packages_of_this_environment_are_listed() -> None:
    import numpy

    findings = list(package_findings())
    assert [finding.level for finding in findings] == ["fine"]
    assert f"numpy {numpy.__version__}" in findings[0].found


def test_disk_names_the_folder(tmp_path: Path) -> None:
    assert disk_finding(tmp_path).found.endswith(f"GB free in {tmp_path}")


def test_the_command_reports_everything() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(palm.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "palm", "doctor"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    topics = {line[2:14].strip() for line in done.stdout.splitlines()[:-1] if line[2:3].strip()}
    expected = {"PALM", "Python", "platform", "packages", "disk", "threads", "math", "malloc", "Paddle", "GPU", "speed"}
    assert expected <= topics
    assert done.stdout.splitlines()[-1] == "PALM can run here."


def test_without_paddle_palm_cannot_work(tmp_path: Path) -> None:
    (tmp_path / "paddle.py").write_text(
        "raise ImportError('libgomp.so.1: cannot open shared object file')\n", encoding="utf-8"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(palm.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "palm", "doctor"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ImportError: libgomp.so.1" in done.stdout
    assert "apt-get install libgomp1" in done.stdout
    assert done.stdout.splitlines()[-1] == "PALM cannot run here: see ✗ above."
