"""Samplers: which task a training step trains."""

from palm.sampling.adaptive import AdaptiveSampler
from palm.sampling.base import SAMPLERS, Mix, Sampler
from palm.sampling.by_size import AnnealedSampler, ProportionalSampler, TemperatureSampler
from palm.sampling.every_task import EveryTaskSampler
from palm.sampling.exact import ExactSampler
from palm.sampling.mix_ratio import MixRatioSampler

__all__ = [
    "SAMPLERS",
    "AdaptiveSampler",
    "AnnealedSampler",
    "EveryTaskSampler",
    "ExactSampler",
    "Mix",
    "MixRatioSampler",
    "ProportionalSampler",
    "Sampler",
    "TemperatureSampler",
]
