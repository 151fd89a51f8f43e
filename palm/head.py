"""The paradigms under the name that PALM 2 gives them: heads."""

from palm.paradigm import MRC, Classify, MaskLM, Match, SequenceLabel

__all__ = ["MRC", "Classify", "MaskLM", "Match", "SequenceLabel"]
