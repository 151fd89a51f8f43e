"""Callbacks of a run, and trackers, which are built on them."""

from palm.tracking.base import TRACKERS, Started, TrackedRun, Tracker
from palm.tracking.callback import Callback
from palm.tracking.events import (
    BeginEvent,
    CosineEvent,
    EndEvent,
    EvaluationEvent,
    ExportEvent,
    StepEvent,
)
from palm.tracking.mlflow import MLflowTracker
from palm.tracking.swanlab import SwanLabTracker
from palm.tracking.tensorboard import TensorBoardTracker
from palm.tracking.visualdl import VisualDLTracker
from palm.tracking.wandb import WandbTracker

__all__ = [
    "TRACKERS",
    "BeginEvent",
    "Callback",
    "CosineEvent",
    "EndEvent",
    "EvaluationEvent",
    "ExportEvent",
    "MLflowTracker",
    "Started",
    "StepEvent",
    "SwanLabTracker",
    "TensorBoardTracker",
    "TrackedRun",
    "Tracker",
    "VisualDLTracker",
    "WandbTracker",
]
