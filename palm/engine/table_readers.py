"""What needs the whole table of word embeddings, or its dense gradient, in every training step."""

from collections.abc import Sequence

from palm.engine.methods import Methods, build_gradient_method, build_weighting
from palm.engine.task_instance import TaskInstance
from palm.schema.settings import TrainSettings

_TABLE = "embedding_table"


def reads_whole_table(tasks: Sequence[TaskInstance], settings: TrainSettings, methods: Methods) -> bool:
    """Whether anything but lookups of the batches' tokens reads the word embeddings in a training step.

    Adversarial training moves the table along its gradient; gradient methods and weightings may look at any gradient of
    the encoder; a decoder tied to the table reads all of it, and so do steps of gradual unfreezing and SMART, which go
    through the model's parameters. All of them would be correct with rows, too, though not to the bit, or slower.
    """
    return (
        bool(settings.adversarial_epsilon)
        or settings.unfreeze_every_n_steps > 0
        or build_gradient_method(settings, methods) is not None
        or build_weighting(tasks, settings, methods).needs_norms
        or any(task.settings.smart_weight or _TABLE in task.paradigm.backbone_inputs() for task in tasks)
    )
