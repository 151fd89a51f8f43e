"""Finds modules of PaddlePALM 0.2.1 and PALM 2 under their former names below `palm`.

Modules that moved are imported under both names. One that has no counterpart is refused with a message that leads to
docs/porting.md.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import final

from palm.errors import ConfigError, Problem
from palm.registry import GUIDE
from palm.runtime.script import end_script_with_message

_ALIASES = MappingProxyType(
    {
        "palm.head": "palm.api.heads",
        "palm.optimizer": "palm.api.optimizer",
        "palm.lr_sched": "palm.api.optimizer",
        "palm.distribute": "palm.runtime.device",
    }
)

_OWN = "Register a component of your own"
REPLACED_MODULES = MappingProxyType(
    {
        "palm.interface": _OWN,
        "palm.default_settings": "The keys and their defaults are in docs/configuration.md",
        "palm.mtl_controller": "Write palm.Controller",
        "palm.task_instance": "Tasks are those of palm.Controller or palm.Trainer",
        "palm.task_paradigm": _OWN,
        "palm.trainer": "Write palm.Trainer",
        "palm.multihead_trainer": "Write palm.MultiHeadTrainer",
        "palm.head.base_head": _OWN,
        "palm.head.cls": "Write palm.head.Classify",
        "palm.head.match": "Write palm.head.Match",
        "palm.head.mlm": "Write palm.head.MaskLM",
        "palm.head.mrc": "Write palm.head.MRC",
        "palm.head.ner": "Write palm.head.SequenceLabel",
        "palm.backbone.base_backbone": _OWN,
        "palm.backbone.utils": "palm.backbone.encoder holds the layers of an encoder",
        "palm.reader.base_reader": _OWN,
        "palm.reader.utils": "palm.data holds tokenizer, sequences and batches",
        "palm.tokenizer": "palm.data.tokenizer holds the tokenizer",
        "palm.optimizer.adam": "Write palm.optimizer.Adam",
        "palm.optimizer.base_optimizer": "Write palm.optimizer.Adam",
        "palm.lr_sched.base_schedualer": "Any function of the step is a schedule",
        "palm.lr_sched.slanted_triangular_schedualer": "Write palm.lr_sched.TriangularSchedualer",
        "palm.lr_sched.warmup_schedualer": "Write palm.lr_sched.WarmupSchedualer",
        "palm.utils": "It was not meant for scripts",
    }
)


@final
class FormerModules(MetaPathFinder):
    """Finds modules of PaddlePALM under their former names below `palm`: asked last, for what does not exist."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module that stands for the one of today; None for what never was.

        Raises:
            ConfigError: A module that has no counterpart.
        """
        del path, target
        if fullname in _ALIASES:
            return importlib.util.spec_from_loader(fullname, _AliasLoader(fullname), is_package=True)
        if fullname in REPLACED_MODULES:
            end_script_with_message()
            rule = "PaddlePALM's module of this name has no counterpart."
            raise ConfigError(Problem(f"import {fullname}", f"{rule} {REPLACED_MODULES[fullname]}; see {GUIDE}."))
        return None


@final
class _AliasLoader(Loader):
    """Loads a module that has all names of another."""

    def __init__(self, former: str) -> None:
        self._former = former

    def exec_module(self, module: ModuleType) -> None:
        target = importlib.import_module(_ALIASES[self._former])
        module.__doc__ = target.__doc__
        vars(module)["__getattr__"] = lambda name: getattr(target, name)


def find_former_modules() -> None:
    """Have Python find them; only the first call does anything."""
    if not any(isinstance(finder, FormerModules) for finder in sys.meta_path):
        sys.meta_path.append(FormerModules())
