"""Every test file is collected: one that pytest passes over never fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import COLLECTED

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_file_is_collected(request: pytest.FixtureRequest) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    # A module whose package is missing (the extra `parity`) is skipped as a whole and has no item to list.
    optional = {name for name in files if "pytest.importorskip(" in (ROOT / name).read_text(encoding="utf-8")}
    missing = files - optional - request.config.stash[COLLECTED]
    # This process may have been given a part of the tests.
    assert sorted(missing - collected_anew() if missing else ()) == []


def collected_anew() -> set[str]:
    """The modules of which another pytest without arguments collects a test."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.partition("::")[0] for line in listed if "::" in line}
