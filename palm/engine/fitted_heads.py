"""Fits the heads that no gradient trains: to the outputs of the present encoder for the training rows.

This precedes whatever looks at a head: an evaluation, and what is exported. A step of training does not, so that an
interrupted run needs nothing of it: a checkpoint holds the head as it was fitted last, and the run goes on the same
whatever that is. The best step keeps the head that it was evaluated with.

With an average of the weights, the caller has put that into the model first: the head is for the encoder that is
evaluated and exported. Checkpoints then hold the head of the averaged encoder beside weights that are not averaged,
which is what a model from such a checkpoint needs, since it gets the average as well.
"""

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
