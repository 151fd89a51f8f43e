"""Gradient methods: weights of the tasks' gradients in the update of the shared encoder."""

from palm.balancing.gradients.base import GRADIENT_METHODS, GradientFields, GradientMethod
from palm.balancing.gradients.cagrad import ConflictAverse
from palm.balancing.gradients.mgda import MultipleGradientDescent
from palm.balancing.gradients.nash_mtl import NashBargaining
from palm.balancing.gradients.pcgrad import ProjectConflicts
from palm.balancing.gradients.upgrad import UnconflictingProjection

__all__ = [
    "GRADIENT_METHODS",
    "ConflictAverse",
    "GradientFields",
    "GradientMethod",
    "MultipleGradientDescent",
    "NashBargaining",
    "ProjectConflicts",
    "UnconflictingProjection",
]
