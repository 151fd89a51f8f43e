"""The packages of the extra `report`, imported where they are needed, with advice where one is not installed."""

from importlib import import_module
from types import ModuleType

from palm.errors import ConfigError, Problem

PAGE_PACKAGES = ("altair", "jinja2", "vl_convert")
_INSTALL = 'pip install "paddle-palm[report]"'
_NAMES = {"scipy": "scipy", "sklearn": "scikit-learn", "vl_convert": "vl-convert-python"}


def metrics_package() -> ModuleType:
    """`sklearn.metrics`.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    return _imported("sklearn.metrics", "scores of classes, labels and numbers are computed by scikit-learn.")


def calibration_package() -> ModuleType:
    """`sklearn.calibration`.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    return _imported("sklearn.calibration", "calibration is computed by scikit-learn.")


def optimize_package() -> ModuleType:
    """`scipy.optimize`.

    Raises:
        ConfigError: SciPy is not installed.
    """
    return _imported("scipy.optimize", "a temperature is fitted by SciPy.")


def page_package(name: str) -> ModuleType:
    """A package that the page of `palm report` is made with.

    Raises:
        ConfigError: It is not installed.
    """
    return _imported(name, "the page of a report is made with altair, jinja2 and vl-convert-python.")


def check_page_packages() -> None:
    """Look for everything that a page is made with, before anything is read.

    Raises:
        ConfigError: A package is not installed.
    """
    for name in PAGE_PACKAGES:
        page_package(name)


def _imported(name: str, rule: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        package = _NAMES.get(name.partition(".")[0], name)
        raise ConfigError(Problem(package, f"{rule} Found none ({error}). Install it: {_INSTALL}")) from None
