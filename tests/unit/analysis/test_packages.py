"""Packages that are not installed are named with the command that installs them."""

import sys

import pytest

from palm.analysis.packages import calibration_package, metrics_package, optimize_package
from palm.errors import ConfigError


@pytest.mark.parametrize(
    ("load", "module", "package"),
    [
        (metrics_package, "sklearn.metrics", "scikit-learn"),
        (calibration_package, "sklearn.calibration", "scikit-learn"),
        (optimize_package, "scipy.optimize", "scipy"),
    ],
)
def test_a_missing_package(monkeypatch, load, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf'^{package}: .*Install it: pip install "paddle-palm\[report\]"'):
        load()
