"""Weightings: factors of the tasks' losses."""

from palm.balancing.weighting.base import WEIGHTINGS, LearnedFields, TaskLosses, Weighting, WeightingFields
from palm.balancing.weighting.dtp import DynamicTaskPrioritization
from palm.balancing.weighting.dwa import DynamicWeightAverage
from palm.balancing.weighting.fixed import FixedWeighting
from palm.balancing.weighting.gradnorm import GradNorm
from palm.balancing.weighting.uncertainty import Uncertainty

__all__ = [
    "WEIGHTINGS",
    "DynamicTaskPrioritization",
    "DynamicWeightAverage",
    "FixedWeighting",
    "GradNorm",
    "LearnedFields",
    "TaskLosses",
    "Uncertainty",
    "Weighting",
    "WeightingFields",
]
