"""Weightings: how much the loss of each task counts, and gradient methods: how much its gradient does."""

from palm.balancing.gradients.base import GRADIENT_METHODS, GradientMethod
from palm.balancing.gradients.cagrad import ConflictAverse
from palm.balancing.gradients.mgda import MultipleGradientDescent
from palm.balancing.gradients.nash_mtl import NashBargaining
from palm.balancing.gradients.pcgrad import ProjectConflicts
from palm.balancing.gradients.upgrad import UnconflictingProjection
from palm.balancing.weighting.base import WEIGHTINGS, Weighting, WeightingConfig
from palm.balancing.weighting.dtp import DynamicTaskPrioritization
from palm.balancing.weighting.dwa import DynamicWeightAverage
from palm.balancing.weighting.fixed import FixedWeighting
from palm.balancing.weighting.gradnorm import GradNorm
from palm.balancing.weighting.uncertainty import Uncertainty

__all__ = [
    "GRADIENT_METHODS",
    "WEIGHTINGS",
    "ConflictAverse",
    "DynamicTaskPrioritization",
    "DynamicWeightAverage",
    "FixedWeighting",
    "GradNorm",
    "GradientMethod",
    "MultipleGradientDescent",
    "NashBargaining",
    "ProjectConflicts",
    "Uncertainty",
    "UnconflictingProjection",
    "Weighting",
    "WeightingConfig",
]
