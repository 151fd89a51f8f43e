"""Averages of the weights over the updates of a run, for evaluation and export."""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import paddle
from paddle import Tensor, nn

from palm.engine.no_grad import without_gradients
from palm.schema.settings import TrainSettings

_log = logging.getLogger("palm")
_warned: set[str] = set()


class AverageRule(Protocol):
    """The weights of updates: `sum ← kept · sum + added · weight`, starting at 0; the average is sum / total."""

    name: ClassVar[Literal["ema", "swa"]]

    def counts(self, step: int) -> bool:
        """Whether the weights after global step `step` are included."""
        ...

    def factors(self, updates: int) -> tuple[float, float]:
        """`kept` and `added` of update number `updates`, counted from 1."""
        ...

    def total(self, updates: int) -> float:
        """The sum of the factors of `updates` updates."""
        ...


@dataclass(frozen=True)
class Exponential:
    """`average ← decay · average + (1 − decay) · weight` after each update, corrected for the start at 0.

    Source: Adam's bias correction, arXiv:1412.6980 section 3, as Paddle 1's `ExponentialMovingAverage` used it.

    Attributes:
        decay: Between 0 (the latest weights) and 1.
    """

    decay: float
    name: ClassVar[Literal["ema", "swa"]] = "ema"

    def counts(self, step: int) -> bool:
        """Whether the weights after global step `step` are included."""
        return True

    def factors(self, updates: int) -> tuple[float, float]:
        """Factors of the previous sum and of the new weights."""
        return self.decay, 1.0 - self.decay

    def total(self, updates: int) -> float:
        """The sum of the factors."""
        return float(1.0 - self.decay**updates)


@dataclass(frozen=True)
class Uniform:
    """The mean of the weights of every update after the first `start` global steps: stochastic weight averaging.

    Source: arXiv:1803.05407, algorithm 1, with a cycle of one update.

    Attributes:
        start: Number of first global steps whose weights are not included.
    """

    start: int
    name: ClassVar[Literal["ema", "swa"]] = "swa"

    def counts(self, step: int) -> bool:
        """Whether the weights after global step `step` are included."""
        return step > self.start

    def factors(self, updates: int) -> tuple[float, float]:
        """Factors of the previous sum and of the new weights."""
        return (updates - 1) / updates, 1.0 / updates

    def total(self, updates: int) -> float:
        """The sum of the factors."""
        return 1.0


class WeightAverage:
    """An average of a model's trainable parameters.

    Args:
        model: Its trainable parameters are averaged.
        rule: The weights of the updates.
    """

    def __init__(self, model: nn.Layer, rule: AverageRule) -> None:
        self.rule = rule
        self.updates = 0
        self._parameters: dict[str, Tensor] = {
            name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient
        }
        self._averages = {name: paddle.zeros_like(parameter) for name, parameter in self._parameters.items()}

    @without_gradients
    def update(self, step: int) -> None:
        """Add the weights after global step `step`, if included."""
        if not self.rule.counts(step):
            return
        self.updates += 1
        kept, added = self.rule.factors(self.updates)
        for name, parameter in self._parameters.items():
            self._averages[name].scale_(kept)
            self._averages[name].add_(parameter * added)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Use the averaged weights inside the `with` block, and restore the model's own afterwards."""
        if not self.updates:
            yield
            return
        own = {name: parameter.clone() for name, parameter in self._parameters.items()}
        total = self.rule.total(self.updates)
        try:
            for name, parameter in self._parameters.items():
                parameter.set_value(self._averages[name] / total)
            yield
        finally:
            for name, parameter in self._parameters.items():
                parameter.set_value(own[name])

    def average_of(self, state: Mapping[str, Tensor], *, updates: int) -> dict[str, Tensor]:
        """The averaged weights of a saved state; none before the first update."""
        if not updates:
            return {}
        total = self.rule.total(updates)
        return {name: average / total for name, average in state.items() if name in self._averages}

    def state(self) -> dict[str, Tensor]:
        """The averages by parameter name."""
        return self._averages

    def restore(self, averages: Mapping[str, Tensor], *, updates: int) -> None:
        """Continue from a saved state; a parameter that was frozen until now has had its current value all the time."""
        self.updates = updates
        total = self.rule.total(updates) if updates else 0.0
        for name, average in self._averages.items():
            average.set_value(averages[name] if name in averages else self._parameters[name] * total)


def averaged(average: WeightAverage | None) -> AbstractContextManager[None]:
    """Use the averaged weights inside the `with` block, if there is an average."""
    return nullcontext() if average is None else average.applied()


def build_average(model: nn.Layer, settings: TrainSettings, total_steps: int) -> WeightAverage | None:
    """The average that `use_ema` or `weight_average` selects, over a run of `total_steps` global steps.

    For an `ema_decay` of 0, the default since PaddlePALM 0.2.1, a warning is logged once.
    """
    if settings.weight_average == "swa":
        return WeightAverage(model, Uniform(math.floor(settings.swa_start * total_steps)))
    if not settings.use_ema and settings.weight_average != "ema":
        return None
    if not settings.ema_decay and "ema" not in _warned:
        _warned.add("ema")
        _log.warning("ema_decay: with 0 the average equals the latest weights. Set it to a value such as 0.999.")
    return WeightAverage(model, Exponential(settings.ema_decay))
