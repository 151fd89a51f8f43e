"""The packages of the extra `report`, imported where a page is made, with advice where one is not installed."""

from importlib import import_module
from types import ModuleType

from palm.errors import ConfigError, Problem

INSTALL = 'pip install "paddle-palm[report]"'
NEEDED = ("altair", "jinja2", "vl_convert")


def check_report_packages() -> None:
    """Look for everything that a page is made with, before anything is read.

    Raises:
        ConfigError: With what is not installed.
    """
    for name in NEEDED:
        report_package(name)


def report_package(name: str) -> ModuleType:
    """A package of the extra.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        rule = f"a report is made with the package {name}. Found none ({error})"
        raise ConfigError(Problem("palm report", f"{rule}. Install it: {INSTALL}")) from None
