"""PALM: multi-task learning for NLP from one YAML, on one shared pre-trained encoder.

    import palm
    controller = palm.Controller("config.yaml", task_dir="tasks")
    controller.load_pretrain("pretrain/minilm-l6-en")
    controller.train()

Names are imported when they are first used, so that `import palm` costs nothing and the computing environment is set
up before Paddle is loaded.
"""

import importlib
from typing import TYPE_CHECKING

from palm.runtime.former_modules import find_former_modules
from palm.runtime.script import end_script_with_message
from palm.storage.layout import PALM_VERSION

__version__ = PALM_VERSION
find_former_modules()

if TYPE_CHECKING:
    from palm.api.multi_head_trainer import MultiHeadTrainer
    from palm.api.trainer import Trainer
    from palm.controller import Controller
    from palm.inference.load import load
    from palm.inference.predictor import Predictor
    from palm.tracking.callback import Callback

_HOME = {
    "Callback": "palm.tracking.callback",
    "Controller": "palm.controller",
    "MultiHeadTrainer": "palm.api.multi_head_trainer",
    "Predictor": "palm.inference.predictor",
    "Trainer": "palm.api.trainer",
    "load": "palm.inference.load",
}
_COMPONENTS = {
    "backbone": "palm.backbone",
    "distribute": "palm.runtime.device",
    "downloader": "palm.downloader",
    "head": "palm.api.heads",
    "lr_sched": "palm.api.optimizer",
    "metric": "palm.metric",
    "optimizer": "palm.api.optimizer",
    "paradigm": "palm.paradigm",
    "reader": "palm.reader",
    "sampling": "palm.balancing.sampling",
}

__all__ = ["Callback", "Controller", "MultiHeadTrainer", "Predictor", "Trainer", "__version__", "load"]


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name in _COMPONENTS or name in _HOME:
        end_script_with_message()
    if name in _COMPONENTS:
        return importlib.import_module(_COMPONENTS[name])
    if name not in _HOME:
        raise AttributeError(f"module 'palm' has no attribute {name!r}")
    from palm.runtime.environment import prepare_runtime  # noqa: PLC0415 (as above)
    from palm.runtime.paddle_import import import_paddle  # noqa: PLC0415 (`import palm` stays free of it)

    prepare_runtime()
    import_paddle()
    return getattr(importlib.import_module(_HOME[name]), name)
