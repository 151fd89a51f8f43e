"""The readers: each turns one kind of file into batches. Importing this package registers the built-in ones."""

from palm.reader.base import READERS, Reader
from palm.reader.cls import ClassifyReader, ClassifyReaderConfig
from palm.reader.match import MatchReader, MatchReaderConfig
from palm.reader.mlm import MaskedLMReader, MaskedLMReaderConfig
from palm.reader.mrc import MRCReader, MRCReaderConfig
from palm.reader.seq_label import SequenceLabelReader, SequenceLabelReaderConfig

__all__ = [
    "READERS",
    "ClassifyReader",
    "ClassifyReaderConfig",
    "MRCReader",
    "MRCReaderConfig",
    "MaskedLMReader",
    "MaskedLMReaderConfig",
    "MatchReader",
    "MatchReaderConfig",
    "Reader",
    "SequenceLabelReader",
    "SequenceLabelReaderConfig",
]
