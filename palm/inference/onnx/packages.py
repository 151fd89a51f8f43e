"""The packages of the extra `onnx`, imported where they are needed, with advice where one is not installed."""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from palm.errors import ConfigError, Problem

_INSTALL = 'pip install "paddle-palm[onnx]"'


def onnx_package() -> ModuleType:
    """The package `onnx`.

    Raises:
        ConfigError: It is not installed.
    """
    return _imported(lambda: import_module("onnx"), "onnx", "an ONNX graph is written with the package onnx.")


def onnxruntime_package() -> ModuleType:
    """The package `onnxruntime`.

    Raises:
        ConfigError: It is not installed.
    """
    return _imported(
        lambda: import_module("onnxruntime"), "onnxruntime", "ONNX graphs are run with the package onnxruntime."
    )


def _imported(load: Callable[[], ModuleType], name: str, rule: str) -> ModuleType:
    try:
        return load()
    except ImportError as error:
        raise ConfigError(Problem(name, f"{rule} Found none ({error}). Install it: {_INSTALL}")) from None
