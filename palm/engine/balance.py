"""Updates the history of a run's tasks after each step, and lets the weighting learn from it."""

from collections.abc import Collection, Mapping

from palm.balancing.history import History
from palm.balancing.weighting import Weighting
from palm.engine.batches import LAG, SamplingProbabilities
from palm.metric.base import LOSS, main_metric


def note_losses(
    history: History,
    weighting: Weighting,
    losses: Mapping[str, float],
    *,
    end_epoch: Collection[str],
    norms: Mapping[str, float],
) -> None:
    """Add a step without fault.

    Args:
        history: History of all tasks.
        weighting: The weighting that learns from the step.
        losses: Losses of the tasks that the step trained, before any factor.
        end_epoch: Tasks whose epoch ends with it, also those without a loss in it.
        norms: Norms of their gradients on the last shared layer, if the weighting needs them.
    """
    for name, loss in losses.items():
        history[name].note_loss(loss)
    for name in end_epoch:
        history[name].end_epoch()
    weighting.learn(history, losses, norms)


def note_metrics(history: History, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Add the main dev metric of each evaluated task, unless that is its loss."""
    for name, own in metrics.items():
        main = main_metric(own)
        history[name].dev_score = None if main == LOSS else own[main]


def note_probabilities(probabilities: SamplingProbabilities, step: int, found: list[float] | None) -> None:
    """Store the probabilities `found` after `step`, and remove those that no future step uses."""
    if found is not None:
        probabilities[str(step)] = found
        probabilities.pop(str(step - LAG), None)
