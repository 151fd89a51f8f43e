"""What trackers show of an event: names as their users expect, `train/intent/loss`, `eval/intent/accuracy`."""

import math
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from palm.tracking.events import CosineEvent, EvaluationEvent, RecordEvent, StepEvent

_PER_TASK = ("loss", "loss_normalised", "loss_factor", "epoch")
_OF_RUN = ("learning_rate", "steps_per_second", "data_wait_fraction")

TIMINGS = frozenset({"train/steps_per_second", "train/data_wait_fraction"})
"""Names of what is measured, and differs when the same step is trained again."""


def scalars_of(event: RecordEvent) -> dict[str, float]:
    """The finite numbers of an event, by their names in a tracker; none of an export."""
    return {name: float(value) for name, value in _named(event) if _is_number(value) and math.isfinite(value)}


def _named(event: RecordEvent) -> Iterator[tuple[str, object]]:
    if isinstance(event, StepEvent):
        yield from _of_step(event)
    elif isinstance(event, EvaluationEvent):
        for name, value in event.metrics.items():
            yield f"eval/{event.task}/{name}", value
    elif isinstance(event, CosineEvent):
        for pair, value in event.cosines.items():
            yield f"gradient_cosine/{pair.replace('~', '/')}", value


def _of_step(event: StepEvent) -> Iterator[tuple[str, object]]:
    record = event.record or {}
    for key in _PER_TASK:
        yield f"train/{event.task}/{key}", record.get(key)
    for key in _OF_RUN:
        yield f"train/{key}", record.get(key)
    probabilities = record.get("sampling_probabilities")
    if isinstance(probabilities, Mapping):
        for task, value in probabilities.items():
            yield f"train/{task}/sampling_probability", value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
