"""Packages that are not installed are named with the command that installs them."""

import sys

import pytest

from palm.analysis.packages import (
    PAGE_PACKAGES,
    calibration_package,
    check_page_packages,
    metrics_package,
    optimize_package,
)
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


@pytest.mark.parametrize(("name", "package"), [("altair", "altair"), ("vl_convert", "vl-convert-python")])
def test_a_missing_package_of_the_page(monkeypatch, name, package):
    for each in PAGE_PACKAGES[: PAGE_PACKAGES.index(name)]:
        monkeypatch.setitem(sys.modules, each, sys)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf'^{package}: the page .*Install it: pip install "paddle-palm\[report\]"'):
        check_page_packages()
