"""The readers: each turns one kind of file into batches. Importing this package registers the built-in ones.

What is named here is the Python API (`palm.reader.data_readers`); the registered readers behind it, which YAML names,
are one a module: `palm.reader.cls`, `palm.reader.match`, …
"""

import palm.reader.choice
import palm.reader.cls
import palm.reader.match
import palm.reader.mlm
import palm.reader.mrc
import palm.reader.seq_label  # noqa: F401 (importing a module registers its reader)
from palm.reader.base import READERS, Reader
from palm.reader.data_readers import (
    ClassifyReader,
    DataReader,
    MaskLMReader,
    MatchReader,
    MRCReader,
    RegisteredReader,
    SequenceLabelReader,
)

__all__ = [
    "READERS",
    "ClassifyReader",
    "DataReader",
    "MRCReader",
    "MaskLMReader",
    "MatchReader",
    "Reader",
    "RegisteredReader",
    "SequenceLabelReader",
]
