"""Samplers: which task a training step trains."""

from palm.sampling.base import SAMPLERS, Sampler
from palm.sampling.mix_ratio import MixRatioSampler

__all__ = ["SAMPLERS", "MixRatioSampler", "Sampler"]
