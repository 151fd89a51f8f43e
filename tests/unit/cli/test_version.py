"""`palm --version --json`: read by programs, and without importing Paddle."""

import json
import subprocess
import sys

import pytest

import palm
from palm.cli import version
from palm.cli.main import main
from palm.kernels.fused.built import BuiltLibrary, sources_digest


def test_the_command_prints_one_json_object_without_paddle() -> None:
    code = (
        "import sys; from palm.cli.main import main; status = main(['--version', '--json'])\n"
        "sys.exit(status or int('paddle' in sys.modules) * 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found == version.versions()
    assert found["palm"] == palm.__version__
    assert found["paddle"]
    assert all(found["packages"].values())


def test_the_short_form_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"palm {palm.__version__}\n"


def test_json_alone_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 2
    assert "unknown option `--json`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sources", "kind", "stale"),
    [(sources_digest(), "fused", False), (None, "fused", False), ("0123456789abcdef", "plain", True)],
)
def test_kernels_of_other_sources_are_said_to_be_unused(monkeypatch, tmp_path, sources, kind, stale) -> None:
    monkeypatch.setattr(version, "find_library", lambda _: BuiltLibrary(tmp_path / "_base.so", sources))
    kernels = version.versions()["kernels"]
    assert (kernels["kind"], kernels["sources"], kernels["stale"]) == (kind, sources, stale)


def test_without_kernels_the_encoder_is_computed_plainly(monkeypatch) -> None:
    monkeypatch.setattr(version, "find_library", lambda _: None)
    kernels = version.versions()["kernels"]
    assert (kernels["kind"], kernels["instruction_set"], kernels["sources"]) == ("plain", None, None)
