"""Weightings: how much the loss of each task counts."""

from palm.weighting.base import WEIGHTINGS, Weighed, Weighting
from palm.weighting.dtp import DynamicTaskPrioritization
from palm.weighting.dwa import DynamicWeightAverage
from palm.weighting.fixed import FixedWeighting
from palm.weighting.uncertainty import Uncertainty

__all__ = [
    "WEIGHTINGS",
    "DynamicTaskPrioritization",
    "DynamicWeightAverage",
    "FixedWeighting",
    "Uncertainty",
    "Weighed",
    "Weighting",
]
