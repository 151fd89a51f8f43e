"""Optimizers, which update the parameters, and schedules of the learning rate."""

from palm.engine.optim.adamw import AdamW
from palm.engine.optim.base import OPTIMIZERS, OptimizerFields, ParameterGroup, UpdateRule
from palm.engine.optim.paddle_rule import PaddleUpdateRule
from palm.engine.optim.schedules import SCHEDULES, LearningRateSchedule, ScheduleFields, WarmupFields

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "AdamW",
    "LearningRateSchedule",
    "OptimizerFields",
    "PaddleUpdateRule",
    "ParameterGroup",
    "ScheduleFields",
    "UpdateRule",
    "WarmupFields",
]
