"""The packages of the extra `report`, imported where they are needed, with advice where one is not installed."""

from importlib import import_module
from types import ModuleType

from palm.errors import ConfigError, Problem

_INSTALL = 'pip install "paddle-palm[report]"'


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


def _imported(name: str, rule: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        package = "scikit-learn" if name.startswith("sklearn") else "scipy"
        raise ConfigError(Problem(package, f"{rule} Found none ({error}). Install it: {_INSTALL}")) from None
