"""Modules of PaddlePALM under their former names; those without a counterpart: tests/compat/test_own_components.py."""

import importlib
import sys

import pytest

import palm
from palm.errors import ConfigError
from palm.runtime.former_modules import FormerModules, find_former_modules


def test_modules_that_moved_have_the_same_names():
    from palm.head import Classify
    from palm.lr_sched import TriangularSchedualer
    from palm.optimizer import Adam

    assert (Classify, TriangularSchedualer, Adam) == (
        palm.head.Classify, palm.lr_sched.TriangularSchedualer, palm.optimizer.Adam,
    )  # fmt: skip


def test_star_imports_give_what_the_module_exports():
    names = {}
    exec("from palm.head import *", names)
    assert names["MRC"] is palm.head.MRC


def test_what_never_was_is_missing_as_usual():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'palm\.nothing'"):
        importlib.import_module("palm.nothing")
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'palm\.head\.nothing'"):
        importlib.import_module("palm.head.nothing")


def test_the_advice_names_what_to_write():
    with pytest.raises(ConfigError, match=r"import palm\.head\.ner: .* Write palm\.head\.SequenceLabel; see"):
        importlib.import_module("palm.head.ner")


def test_python_asks_once():
    find_former_modules()
    assert sum(isinstance(finder, FormerModules) for finder in sys.meta_path) == 1
