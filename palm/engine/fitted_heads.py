"""Fits the heads that no gradient trains: to the outputs of the present encoder for the training rows."""

from collections.abc import Sequence

from palm.distributed.ranks import ONE, Ranks
from palm.engine.model import MultiTaskModel
from palm.engine.predict import outputs_over
from palm.engine.task_instance import TaskInstance


def fit_heads(model: MultiTaskModel, tasks: Sequence[TaskInstance], ranks: Ranks = ONE) -> None:
    """Fit the heads of `tasks` whose paradigms ask for it; a head that several tasks share is fitted to all their rows.

    What is fitted takes no part in a training step, so a run trains the same however often this is called. The model is
    left in evaluation mode if a head is fitted.

    Args:
        model: The model, with the weights that are evaluated or exported next.
        tasks: All tasks of the run.
        ranks: The processes of the run: all call this, each computes some of the outputs, and all fit the same head.
    """
    by_head: dict[str, list[TaskInstance]] = {}
    for task in tasks:
        if task.paradigm.fits_head and task.train is not None and task.settings.mix_ratio > 0:
            by_head.setdefault(task.head, []).append(task)
    for head, owners in by_head.items():
        datasets = [task.paradigm.rows_to_fit(task.training_data, task.seed, task.name) for task in owners]
        outputs = [
            output
            for task, dataset in zip(owners, datasets, strict=True)
            for output in outputs_over(model, task, dataset, ranks)
        ]
        owners[0].paradigm.fit_head(model.heads[head], outputs, datasets)
