"""Samplers: which task a training step trains."""

from palm.balancing.sampling.adaptive import AdaptiveSampler
from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerFields, TaskMixture
from palm.balancing.sampling.by_size import AnnealedSampler, ProportionalSampler, TemperatureSampler
from palm.balancing.sampling.exact import ExactSampler
from palm.balancing.sampling.mix_ratio import EveryTaskSampler, MixRatioSampler

__all__ = [
    "SAMPLERS",
    "AdaptiveSampler",
    "AnnealedSampler",
    "EveryTaskSampler",
    "ExactSampler",
    "MixRatioSampler",
    "ProportionalSampler",
    "Sampler",
    "SamplerFields",
    "TaskMixture",
    "TemperatureSampler",
]
