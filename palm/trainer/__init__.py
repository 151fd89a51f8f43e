"""The trainers of the Python API, on the one training engine: `Trainer` for a task, `MultiHeadTrainer` for several."""

from palm.trainer.multi_head import MultiHeadTrainer
from palm.trainer.single import Trainer

__all__ = ["MultiHeadTrainer", "Trainer"]
