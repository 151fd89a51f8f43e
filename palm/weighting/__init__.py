"""Weightings: how much the loss of each task counts, and gradient methods: how much its gradient does."""

from palm.weighting.base import WEIGHTINGS, Weighed, Weighting
from palm.weighting.cagrad import ConflictAverse
from palm.weighting.dtp import DynamicTaskPrioritization
from palm.weighting.dwa import DynamicWeightAverage
from palm.weighting.fixed import FixedWeighting
from palm.weighting.gradient_base import GRADIENT_METHODS, GradientMethod
from palm.weighting.gradnorm import GradNorm
from palm.weighting.mgda import MultipleGradientDescent
from palm.weighting.nash_mtl import NashBargaining
from palm.weighting.pcgrad import ProjectConflicts
from palm.weighting.uncertainty import Uncertainty
from palm.weighting.upgrad import UnconflictingProjection

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
    "Weighed",
    "Weighting",
]
