"""Which builds of Paddle are accepted, and the message about any other."""

import re
from importlib import metadata

import pytest

from palm.runtime import paddle_packages
from palm.runtime.paddle_packages import find_fault, import_fault, missing_paddle


@pytest.mark.parametrize(
    "builds",
    [
        {"paddlepaddle": "2.6.2"},
        {"paddlepaddle-gpu": "2.6.2.post117"},
        {"paddlepaddle": "3.3.1"},
        {"paddlepaddle-gpu": "3.4.0.dev20251201"},
        {"paddlepaddle": "0.0.0"},
        {},
    ],
)
def test_what_palm_computes_with(builds: dict[str, str]) -> None:
    assert find_fault(builds, importable=True) is None


@pytest.mark.parametrize(
    ("builds", "importable", "message"),
    [
        ({}, False, r'one of two extras\. Found none in .+\. Install it: pip install "paddle-palm\[cpu\]"'),
        ({"paddlepaddle": "3.3.1"}, False, r"Found paddlepaddle 3\.3\.1 without its module\."),
        (
            {"paddlepaddle": "3.3.1", "paddlepaddle-gpu": "2.6.2"},
            True,
            r"overwrite each other's files\. Found paddlepaddle 3\.3\.1, paddlepaddle-gpu 2\.6\.2\. "
            r"Keep one: pip uninstall -y paddlepaddle paddlepaddle-gpu, then pip install",
        ),
        ({"paddlepaddle": "2.6.1"}, True, r"Paddle 2\.6\.2 to 3\.x\. Found paddlepaddle 2\.6\.1\. Install a newer one"),
        ({"paddlepaddle-gpu": "2.5.2.post117"}, True, "Found paddlepaddle-gpu 2.5.2"),
    ],
)
def test_what_is_refused(builds: dict[str, str], importable: bool, message: str) -> None:
    assert re.search(message, str(find_fault(builds, importable=importable)))


def test_the_builds_of_this_environment() -> None:
    found = paddle_packages.installed_builds()
    assert found
    assert all(metadata.version(name) == version for name, version in found.items())
    assert paddle_packages.installed_fault() is None


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("libgomp.so.1: cannot open shared object file", "apt-get install libgomp1"),
        ("libcudnn.so.8: cannot open shared object file", "CUDA libraries are missing"),
        ("undefined symbol: x", "Reinstall it in a fresh virtual environment"),
    ],
)
def test_an_import_that_fails_gets_advice(words: str, advice: str) -> None:
    fault = import_fault(ImportError(words))
    assert fault.found == f"ImportError: {words}"
    assert advice in fault.advice


def test_only_paddle_is_missing_paddle() -> None:
    assert missing_paddle(ModuleNotFoundError("x", name="paddle2onnx")) is None
    assert missing_paddle(ImportError("paddle")) is None
    assert str(missing_paddle(ModuleNotFoundError("x", name="paddle"))).startswith("Paddle: PALM computes with Paddle")
