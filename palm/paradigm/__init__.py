"""Task paradigms: heads on top of the backbone, their losses, and the conversion of outputs to predictions."""

from palm.paradigm.base import PARADIGMS, Paradigm
from palm.paradigm.choice import Choice
from palm.paradigm.cls import Classification
from palm.paradigm.embed import TextEmbedding
from palm.paradigm.embed_pairs import PairEmbedding
from palm.paradigm.match import Matching
from palm.paradigm.mlm import MaskedLM
from palm.paradigm.mrc import SpanExtraction
from palm.paradigm.multi_label import MultiLabel
from palm.paradigm.pairwise_match import PairwiseMatch
from palm.paradigm.parse import Parser
from palm.paradigm.prompt import Prompt
from palm.paradigm.rank import Rank
from palm.paradigm.regression import Regression
from palm.paradigm.seq2seq import SequenceToSequence
from palm.paradigm.seq_label import Tagging
from palm.paradigm.spans import NestedSpans

__all__ = [
    "PARADIGMS",
    "Choice",
    "Classification",
    "MaskedLM",
    "Matching",
    "MultiLabel",
    "NestedSpans",
    "PairEmbedding",
    "PairwiseMatch",
    "Paradigm",
    "Parser",
    "Prompt",
    "Rank",
    "Regression",
    "SequenceToSequence",
    "SpanExtraction",
    "Tagging",
    "TextEmbedding",
]
