"""What the readers of the Python API have in common: vocabulary, settings and a file's examples in one object."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, ParamSpec, Protocol, TypeVar

from palm.data.dataset import Dataset, LabelMap
from palm.data.tokenizer import Tokenizer
from palm.data.tokenizer_config import read_tokenizer_config
from palm.errors import ConfigError, Problem
from palm.reader.base import READERS, Reader
from palm.reader.labels import LabelMapSource, read_label_map
from palm.reader.loading import load_dataset
from palm.registry import refuse_former
from palm.schema.fields import ReaderFields
from palm.schema.validate import from_keywords
from palm.spec import LegacySpec, Specs, legacy_specs, unmet

Language = Literal["en", "zh", "cn", "english", "chinese"]
ApiPhase = Literal["train", "predict"]

_WRITTEN = {"max_seq_len": "max_len", "for_cn": "lang"}
_DEFAULT_SEED = 1
_LANGUAGES = {"en": "en", "english": "en", "zh": "zh", "cn": "zh", "chinese": "zh"}

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


def also_called(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: the keyword on the left, PALM 2's, stands for the one on the right."""

    def accept(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **keywords: P.kwargs) -> R:
            renamed: dict[str, Any] = dict(keywords)
            for written in names.keys() & renamed.keys():
                if names[written] in renamed:
                    raise TypeError(f"`{written}` and `{names[written]}` are one argument. Found both. Leave one out.")
                renamed[names[written]] = renamed.pop(written)
            return function(*args, **renamed)

        return call

    return accept


class TakesBatches(Protocol):
    """What `register_with` asks of a backbone."""

    def inputs_attr(self) -> Specs:
        """What it takes from a batch."""


class DataReader:
    """What the readers of the Python API have in common.

    Args:
        name: Name of the registered reader that does the work.
        vocab_path: Vocabulary, one subword token per line.
        max_len: Longest sequence in subword tokens, [CLS] and [SEP] included.
        label_map: Label names and their ids; learnt from the training file when left out.
        lang: `zh`, `cn` or `chinese` for Chinese; else `en`.
        seed: Seed of shuffling and of what is random in batches.
        do_lower_case: Lower-case the text and strip accents (uncased vocabularies); left out, as a
            tokenizer_config.json beside the vocabulary says, else not.
        phase: What the data is for. No gold column is needed to predict.
        keys: Keys of the registered reader.

    Raises:
        ConfigError: A wrong setting.
        RegistryError: No reader has this name.
        DataError: The vocabulary or the label map cannot be read.
    """

    usual_format: ClassVar[str] = "tsv"
    """What the default `tsv` of `load_data`, which is PALM 2's for every reader, stands for."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        refuse_former("reader", cls)

    def __init__(
        self,
        name: str,
        vocab_path: str | Path,
        max_len: int,
        *,
        label_map: LabelMapSource | None = None,
        lang: Language = "en",
        seed: int | None = None,
        do_lower_case: bool | None = None,
        phase: ApiPhase = "train",
        **keys: Any,  # noqa: ANN401 (keys of whichever reader it is)
    ) -> None:
        self.name = name
        self.phase = phase
        self.seed = _DEFAULT_SEED if seed is None else seed
        self.batch_size = 0
        self.num_epochs: float | None = None
        self.shuffle = True
        for_cn = _language(lang, self._owner) == "zh"
        self._given_labels = read_label_map(label_map) if label_map is not None else None
        self._tokenizer = Tokenizer.from_file(Path(vocab_path), do_lower_case=do_lower_case, for_cn=for_cn)
        lower = self._tokenizer.do_lower_case
        _warn_of_contradiction(Path(vocab_path), do_lower_case)
        self._keys = {"max_seq_len": max_len, "for_cn": for_cn, "do_lower_case": lower, **keys}
        self._component = READERS[name](self._config(), self._tokenizer, self._given_labels)
        self._dataset: Dataset | None = None

    @also_called(input_file="file")
    def load_data(
        self,
        file: str | Path,
        batch_size: int,
        num_epochs: float | None = None,
        file_format: str = "tsv",
        shuffle_train: bool = True,
    ) -> None:
        """Read and tokenise a file.

        Args:
            file: The file; also `input_file`.
            batch_size: Examples per batch.
            num_epochs: Passes over the file; left out, one pass, or in multi-task learning what the mix ratio makes it.
            file_format: `tsv`, `jsonl`, `json` (reading comprehension), `conll`, or `auto` to go by the file's ending.
            shuffle_train: Whether training examples are shuffled anew every epoch.

        Raises:
            DataError: With file and line of everything that is wrong.
            ConfigError: A format that this reader does not know.
        """
        self._keys["file_format"] = self.usual_format if file_format == "tsv" else file_format
        self.batch_size, self.num_epochs, self.shuffle = batch_size, num_epochs, shuffle_train
        self._load(Path(file))

    def register_with(self, backbone: TakesBatches) -> "DataReader":
        """Make sure that `backbone` gets from this reader what it needs.

        Raises:
            ConfigError: Naming what is missing.
        """
        problems = [
            Problem(self._owner, f"the backbone needs `{name}` in a batch, which does not fit: {reason}.")
            for name, reason in unmet(backbone.inputs_attr(), self._component.outputs_attr(self.phase)).items()
        ]
        if problems:
            raise ConfigError(problems)
        return self

    @property
    def outputs_attr(self) -> dict[str, LegacySpec]:
        """What a batch holds: name → `[[-1, …], dtype]`, as in PALM 2."""
        return legacy_specs(self._component.outputs_attr(self.phase))

    @property
    def num_examples(self) -> int:
        """Examples of the loaded file; more than its rows where long ones are cut into windows."""
        return self.dataset.num_examples

    @property
    def labels(self) -> LabelMap | None:
        """Label names by id, where the reader has labels and knows them."""
        return self._component.labels

    @property
    def component(self) -> Reader:
        """The registered reader that does the work."""
        return self._component

    @property
    def dataset(self) -> Dataset:
        """The loaded examples.

        Raises:
            ConfigError: Nothing was loaded yet.
        """
        if self._dataset is None:
            raise ConfigError(Problem(self._owner, "a reader gives the examples of a file. Call load_data first."))
        return self._dataset

    def fix_label_ids(self, count: int) -> None:
        """Number the labels for a head with `count` classes, even where a file lacks some."""
        labels = self.labels
        if self.phase != "train" or self._given_labels is not None or labels is None or len(labels) >= count:
            return
        self._keys["n_classes"] = count
        self._load(Path(self.dataset.file))

    @property
    def _owner(self) -> str:
        return f"palm.reader.{type(self).__name__}"

    def _config(self) -> ReaderFields:
        return from_keywords(READERS[self.name].Config, self._keys, owner=self._owner, written=_WRITTEN)

    def _load(self, file: Path) -> None:
        self._component = READERS[self.name](self._config(), self._tokenizer, self._given_labels)
        self._dataset = load_dataset(self._component, file, self.phase)


def _warn_of_contradiction(vocab_path: Path, do_lower_case: bool | None) -> None:
    """Say that the tokenizer's own settings are overridden."""
    config = read_tokenizer_config(vocab_path.parent)
    if None not in (do_lower_case, config.do_lower_case) and do_lower_case != config.do_lower_case:
        found = f"Found {do_lower_case}, and {config.do_lower_case} in {config.file}"
        LOG.warning("do_lower_case contradicts the encoder's tokenizer, and takes precedence. %s. Leave it out.", found)


def _language(lang: str, owner: str) -> str:
    """`en` or `zh`."""
    if str(lang).lower() not in _LANGUAGES:
        rule = f"lang is one of {', '.join(_LANGUAGES)}."
        raise ConfigError(Problem(owner, f"{rule} Found `{lang}`. Correct it."))
    return _LANGUAGES[str(lang).lower()]
