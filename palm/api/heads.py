"""The heads of the Python API: the output layer of a task, as PALM 2 has them.

    head = palm.head.Classify(num_classes=5, input_dim=384, dropout_prob=0.1)

Each stands for one of the registered paradigms, which does the work.
"""

from typing import Any, ClassVar, Literal, final

import palm.paradigm  # noqa: F401 (registers the built-in paradigms)
from palm.errors import ConfigError, Problem
from palm.paradigm.base import PARADIGMS
from palm.schema.fields import ParadigmFields
from palm.schema.validate import from_keywords
from palm.spec import Phase

_WRITTEN = {
    "n_classes": "num_classes",
    "initializer_range": "param_initializer_range",
    "max_answer_len": "max_ans_len",
}

__all__ = ["MRC", "Classify", "Head", "MaskLM", "Match", "RegisteredHead", "SequenceLabel"]


class Head:
    """What the heads of the Python API have in common.

    Args:
        name: Name of the registered paradigm that does the work.
        input_dim: Width of the encoder, checked where the head is put on one; None to take whatever it is.
        phase: What it is for. Dropout is on in training only.
        keys: Keys of the paradigm.

    Raises:
        ConfigError: A wrong setting.
        RegistryError: No paradigm has this name.
    """

    def __init__(
        self,
        name: str,
        input_dim: int | None = None,
        *,
        phase: Phase = "train",
        **keys: Any,  # noqa: ANN401 (keys of whichever paradigm it is)
    ) -> None:
        self.name = name
        self.input_dim = input_dim
        self.phase = phase
        self.config: ParadigmFields = from_keywords(
            PARADIGMS[name].Config, keys, owner=f"palm.head.{type(self).__name__}", written=_WRITTEN
        )

    def check_fits(self, hidden_size: int) -> None:
        """Raise ConfigError where the encoder is not `input_dim` wide."""
        if self.input_dim not in (None, hidden_size):
            rule = "input_dim is the width of the encoder."
            found = f"Found {self.input_dim} over an encoder {hidden_size} wide."
            raise ConfigError(Problem(f"palm.head.{type(self).__name__}", f"{rule} {found} Correct it."))


class _OneOfClasses(Head):
    """Heads that choose one of some classes."""

    _paradigm: ClassVar[str]

    def __init__(
        self,
        num_classes: int,
        input_dim: int,
        dropout_prob: float = 0.0,
        *,
        param_initializer_range: float = 0.02,
        phase: Phase = "train",
    ) -> None:
        keys = {"dropout_prob": dropout_prob, "initializer_range": param_initializer_range}
        super().__init__(self._paradigm, input_dim, phase=phase, n_classes=num_classes, **keys)


@final
class Classify(_OneOfClasses):
    """One label a text.

    Args:
        num_classes: Number of labels.
        input_dim: Width of the encoder.
        dropout_prob: Dropout in front of the head.
        param_initializer_range: Standard deviation of its freshly initialized weights.
        phase: What it is for.
    """

    _paradigm = "cls"


@final
class Match(_OneOfClasses):
    """One label a pair of texts.

    Args:
        num_classes: Number of labels: 2 for whether the texts match.
        input_dim: Width of the encoder.
        dropout_prob: Dropout in front of the head.
        param_initializer_range: Standard deviation of its freshly initialized weights.
        phase: What it is for.
    """

    _paradigm = "match"


@final
class SequenceLabel(Head):
    """One label per word.

    Args:
        num_classes: Number of labels.
        input_dim: Width of the encoder.
        dropout_prob: Dropout in front of the head.
        for_cn: Join the characters of a span without blanks.
        param_initializer_range: Standard deviation of its freshly initialized weights.
        phase: What it is for.
    """

    def __init__(
        self,
        num_classes: int,
        input_dim: int,
        dropout_prob: float = 0.0,
        *,
        for_cn: bool = False,
        param_initializer_range: float = 0.02,
        phase: Phase = "train",
    ) -> None:
        keys = {"dropout_prob": dropout_prob, "initializer_range": param_initializer_range}
        super().__init__("seq_label", input_dim, phase=phase, n_classes=num_classes, for_cn=for_cn, **keys)


@final
class MRC(Head):
    """The answer to a question, out of a paragraph.

    Args:
        max_query_len: Accepted for scripts of PALM 2; the reader's is what counts.
        input_dim: Width of the encoder.
        dropout_prob: Dropout in front of the head.
        with_negative: Whether questions may have no answer (SQuAD 2.0).
        max_ans_len: Longest answer in subword tokens.
        n_best_size: How many answers a question keeps.
        null_score_diff_threshold: `No answer` wins when its score exceeds the best answer's by more than this.
        for_cn: Measure Chinese answers by character.
        phase: What it is for.
    """

    def __init__(
        self,
        max_query_len: int,
        input_dim: int,
        dropout_prob: float = 0.0,
        *,
        with_negative: bool = False,
        max_ans_len: int = 30,
        n_best_size: int = 20,
        null_score_diff_threshold: float = 0.0,
        for_cn: bool = False,
        phase: Phase = "train",
    ) -> None:
        del max_query_len
        limits = {"max_answer_len": max_ans_len, "n_best_size": n_best_size, "with_negative": with_negative}
        super().__init__(
            "mrc",
            input_dim,
            phase=phase,
            dropout_prob=dropout_prob,
            for_cn=for_cn,
            null_score_diff_threshold=null_score_diff_threshold,
            **limits,
        )


@final
class MaskLM(Head):
    """Which subword token stood where [MASK] is now.

    Args:
        input_dim: Width of the encoder.
        vocab_size: Accepted for scripts of PALM 2; the encoder's is what counts, since the two share their table.
        hidden_act: Accepted for scripts of PALM 2; the encoder's is what counts.
        dropout_prob: Dropout in front of the head.
        top_k: How many subword tokens are predicted for each [MASK].
        param_initializer_range: Standard deviation of its freshly initialized weights.
        phase: What it is for.
    """

    def __init__(
        self,
        input_dim: int,
        vocab_size: int | None = None,
        hidden_act: Literal["gelu", "relu", "tanh"] | None = None,
        dropout_prob: float = 0.0,
        *,
        top_k: int = 5,
        param_initializer_range: float = 0.02,
        phase: Phase = "train",
    ) -> None:
        del vocab_size, hidden_act
        keys = {"dropout_prob": dropout_prob, "initializer_range": param_initializer_range, "top_k": top_k}
        super().__init__("mlm", input_dim, phase=phase, **keys)


@final
class RegisteredHead(Head):
    """The head of a paradigm of your own, under the name it is registered by."""
