"""Keeps the balance of a run's tasks: takes each step into the history, and lets the weighting learn from it."""

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
    """Take a step in that had no fault.

    Args:
        history: Of all tasks.
        weighting: Learns from the step.
        losses: Of the tasks that the step trained, before any factor.
        end_epoch: Tasks whose epoch ends with it, also those without a loss in it.
        norms: Of their gradients on the last shared layer, where the weighting needs them.
    """
    for name, loss in losses.items():
        history[name].note_loss(loss)
    for name in end_epoch:
        history[name].end_epoch()
    weighting.learn(history, losses, norms)


def note_metrics(history: History, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Take the dev figures of the tasks that were evaluated in: of each the main one, unless that is its loss."""
    for name, own in figures.items():
        main = main_metric(own)
        history[name].dev_score = None if main == LOSS else own[main]


def note_probabilities(probabilities: SamplingProbabilities, step: int, found: list[float] | None) -> None:
    """Keep the shares that were `found` after `step`, and forget those that no step to come is drawn with."""
    if found is not None:
        probabilities[str(step)] = found
        probabilities.pop(str(step - LAG), None)
