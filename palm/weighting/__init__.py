"""Weightings: how much the loss of each task counts."""

from palm.weighting.base import WEIGHTINGS, Weighting
from palm.weighting.dwa import DynamicWeightAverage
from palm.weighting.fixed import FixedWeighting

__all__ = ["WEIGHTINGS", "DynamicWeightAverage", "FixedWeighting", "Weighting"]
