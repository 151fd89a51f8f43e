"""The readers of the Python API: vocabulary, settings and the file's examples in one object, as PALM 2 has them.

    reader = palm.reader.ClassifyReader("vocab.txt", 128, seed=1)
    reader.load_data("train.tsv", batch_size=32)
    reader.register_with(backbone)

Each stands for one of the registered readers, which does the work.
"""

from pathlib import Path
from typing import Any, Literal, final, get_args

from palm.api.data_reader import ApiPhase, DataReader, Language, also_called
from palm.errors import ConfigError, Problem
from palm.reader.labels import LabelMapSource

LearningStrategy = Literal["pointwise", "pairwise"]
_TOKENIZER = "wordpiece"

__all__ = [
    "ClassifyReader",
    "DataReader",
    "MRCReader",
    "MaskLMReader",
    "MatchReader",
    "RegisteredReader",
    "SequenceLabelReader",
]


def checked_strategy(learning_strategy: str, owner: str) -> str:
    """`learning_strategy`, where it is one.

    Raises:
        ConfigError: It is not.
    """
    if learning_strategy not in get_args(LearningStrategy):
        rule = "learning_strategy is `pointwise` or `pairwise`."
        raise ConfigError(Problem(owner, f"{rule} Found `{learning_strategy}`. Correct it."))
    return learning_strategy


class _PositionalReader(DataReader):
    """What the built-in readers take by place, in the order of PALM 2."""

    def __init__(
        self,
        name: str,
        vocab_path: str | Path,
        max_len: int,
        tokenizer: str,
        lang: Language,
        seed: int | None,
        do_lower_case: bool | None,
        phase: ApiPhase,
        **keys: Any,  # noqa: ANN401 (keys of the registered reader)
    ) -> None:
        if tokenizer != _TOKENIZER:
            rule = f"the tokenizer is `{_TOKENIZER}`."
            raise ConfigError(Problem(self._owner, f"{rule} Found `{tokenizer}`. Leave it out."))
        super().__init__(
            name, vocab_path, max_len, lang=lang, seed=seed, do_lower_case=do_lower_case, phase=phase, **keys
        )


@final
class ClassifyReader(_PositionalReader):
    """One text and its class a row: columns `label` and `text_a`.

    Args:
        vocab_path: Vocabulary, one subword token per line.
        max_len: Longest sequence in subword tokens.
        tokenizer: `wordpiece`, as in PALM 2.
        lang: See `DataReader`, as `seed`, `do_lower_case` and `phase`.
        settings: Further keywords of `DataReader`.
    """

    def __init__(
        self,
        vocab_path: str | Path,
        max_len: int,
        tokenizer: str = _TOKENIZER,
        lang: Language = "en",
        seed: int | None = None,
        do_lower_case: bool | None = None,
        phase: ApiPhase = "train",
        **settings: Any,  # noqa: ANN401 (keywords of DataReader)
    ) -> None:
        super().__init__("cls", vocab_path, max_len, tokenizer, lang, seed, do_lower_case, phase, **settings)


@final
class MatchReader(_PositionalReader):
    """Two texts and their class a row: columns `label`, `text_a` and `text_b`.

    With `learning_strategy="pairwise"` a column `text_b_neg`, a text that does not match, stands in place of `label`.

    Args:
        vocab_path: Vocabulary, one subword token per line.
        max_len: Longest sequence in subword tokens.
        tokenizer: `wordpiece`, as in PALM 2.
        lang: See `DataReader`, as `seed`, `do_lower_case` and `phase`.
        learning_strategy: `pointwise` reads labels; `pairwise` a text that matches `text_a` and one that does not.
        dev_count: Accepted for scripts of PALM 2, as `print_prefix`.
        settings: Further keywords of `DataReader`.
    """

    def __init__(
        self,
        vocab_path: str | Path,
        max_len: int,
        tokenizer: str = _TOKENIZER,
        lang: Language = "en",
        seed: int | None = None,
        do_lower_case: bool | None = None,
        learning_strategy: LearningStrategy = "pointwise",
        phase: ApiPhase = "train",
        dev_count: int = 1,
        print_prefix: str = "",
        **settings: Any,  # noqa: ANN401 (keywords of DataReader)
    ) -> None:
        del dev_count, print_prefix
        pairwise = checked_strategy(learning_strategy, self._owner) == "pairwise"
        name = "pairwise_match" if pairwise else "match"
        super().__init__(name, vocab_path, max_len, tokenizer, lang, seed, do_lower_case, phase, **settings)


@final
class MRCReader(_PositionalReader):
    """Questions on paragraphs, in SQuAD's json.

    Args:
        vocab_path: Vocabulary, one subword token per line.
        max_len: Longest sequence in subword tokens.
        max_query_len: Longest question in subword tokens.
        doc_stride: Subword tokens from one window of a long paragraph to the next.
        tokenizer: `wordpiece`, as in PALM 2.
        lang: See `DataReader`, as `seed`, `do_lower_case` and `phase`.
        remove_noanswer: True leaves out answers that cannot be used (`on_bad_answer="drop"`) and says how many; else
            they are an error.
        settings: Further keywords of `DataReader`.
    """

    usual_format = "json"

    def __init__(
        self,
        vocab_path: str | Path,
        max_len: int,
        max_query_len: int = 64,
        doc_stride: int = 128,
        tokenizer: str = _TOKENIZER,
        lang: Language = "en",
        seed: int | None = None,
        do_lower_case: bool | None = None,
        remove_noanswer: bool = False,
        phase: ApiPhase = "train",
        **settings: Any,  # noqa: ANN401 (keywords of DataReader)
    ) -> None:
        settings |= {"max_query_len": max_query_len, "doc_stride": doc_stride}
        if remove_noanswer:
            settings.setdefault("on_bad_answer", "drop")
        super().__init__("mrc", vocab_path, max_len, tokenizer, lang, seed, do_lower_case, phase, **settings)


@final
class SequenceLabelReader(_PositionalReader):
    """Words and a tag for each: columns `text_a` and `label`, or CoNLL.

    Args:
        vocab_path: Vocabulary, one subword token per line.
        max_len: Longest sequence in subword tokens.
        label_map: Tags and their ids, also `label_map_config`; learnt from the training file when left out.
        tokenizer: `wordpiece`, as in PALM 2.
        lang: See `DataReader`, as `seed`, `do_lower_case` and `phase`.
        dev_count: Accepted for scripts of PALM 2, as `print_prefix`.
        settings: Further keywords of `DataReader`.
    """

    @also_called(label_map_config="label_map")
    def __init__(
        self,
        vocab_path: str | Path,
        max_len: int,
        label_map: LabelMapSource | None = None,
        tokenizer: str = _TOKENIZER,
        lang: Language = "en",
        seed: int | None = None,
        do_lower_case: bool | None = None,
        phase: ApiPhase = "train",
        dev_count: int = 1,
        print_prefix: str = "",
        **settings: Any,  # noqa: ANN401 (keywords of DataReader)
    ) -> None:
        del dev_count, print_prefix
        settings["label_map"] = label_map
        super().__init__("seq_label", vocab_path, max_len, tokenizer, lang, seed, do_lower_case, phase, **settings)


@final
class MaskLMReader(_PositionalReader):
    """Plain text, of which some subword tokens are masked anew in every batch: column `text_a`.

    Args:
        vocab_path: Vocabulary, one subword token per line.
        max_len: Longest sequence in subword tokens.
        tokenizer: `wordpiece`, as in PALM 2.
        lang: See `DataReader`, as `seed`, `do_lower_case` and `phase`.
        dev_count: Accepted for scripts of PALM 2, as `print_prefix`.
        settings: Further keywords of `DataReader`.
    """

    def __init__(
        self,
        vocab_path: str | Path,
        max_len: int,
        tokenizer: str = _TOKENIZER,
        lang: Language = "en",
        seed: int | None = None,
        do_lower_case: bool | None = None,
        phase: ApiPhase = "train",
        dev_count: int = 1,
        print_prefix: str = "",
        **settings: Any,  # noqa: ANN401 (keywords of DataReader)
    ) -> None:
        del dev_count, print_prefix
        super().__init__("mlm", vocab_path, max_len, tokenizer, lang, seed, do_lower_case, phase, **settings)


@final
class RegisteredReader(DataReader):
    """A reader of your own, under the name it is registered by; its file's format goes by the ending."""

    usual_format = "auto"
