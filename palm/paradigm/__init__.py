"""Task paradigms: what is learnt on top of the backbone, and how its outputs become predictions."""

from palm.paradigm.base import PARADIGMS, Paradigm
from palm.paradigm.choice import Choice
from palm.paradigm.cls import Classify
from palm.paradigm.match import Match
from palm.paradigm.mlm import MaskLM
from palm.paradigm.mrc import MRC
from palm.paradigm.multi_label import MultiLabel
from palm.paradigm.regression import Regression
from palm.paradigm.seq_label import SequenceLabel

__all__ = [
    "MRC",
    "PARADIGMS",
    "Choice",
    "Classify",
    "MaskLM",
    "Match",
    "MultiLabel",
    "Paradigm",
    "Regression",
    "SequenceLabel",
]
