"""The heads of the Python API: the output layer of a task, as PALM 2 has them.

    head = palm.head.Classify(num_classes=5, input_dim=384, dropout_prob=0.1)

Each stands for one of the registered paradigms, which does the work.
"""

from pathlib import Path
from typing import Any, Literal, final

import palm.paradigm  # noqa: F401 (registers the built-in paradigms)
from palm.api.readers import LearningStrategy, checked_strategy
from palm.errors import ConfigError, Problem
from palm.paradigm.base import PARADIGMS, Paradigm
from palm.registry import refuse_former
from palm.schema.fields import ParadigmFields
from palm.schema.validate import from_keywords
from palm.spec import LegacySpec, Phase, legacy_specs

_WRITTEN = {
    "n_classes": "num_classes",
    "initializer_range": "param_initializer_range",
    "max_answer_len": "max_ans_len",
}

_LONGEST_ANSWER = 30

__all__ = ["MRC", "Classify", "Head", "MaskLM", "Match", "RegisteredHead", "SequenceLabel"]


class Head:
    """What the heads of the Python API have in common.

    Args:
        name: Name of the registered paradigm that does the work.
        input_dim: Width of the encoder, checked where the head is put on one; None to take whatever it is.
        phase: What it is for. Dropout is on in training only.
        keys: Keys of the paradigm.

    Attributes:
        pred_output_path: Folder for predictions where `predict` is given none.

    Raises:
        ConfigError: A wrong setting, or a subclass written for PALM 2.
        RegistryError: No paradigm has this name.
    """

    pred_output_path: Path | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        refuse_former("head", cls)

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

    @property
    def inputs_attrs(self) -> dict[str, dict[str, LegacySpec]]:
        """What the head takes from the `reader` and from the `backbone`: name → `[[-1, …], dtype]`, as in PALM 2."""
        paradigm = self._paradigm_alone()
        return {
            "reader": legacy_specs(paradigm.reader_inputs(self.phase)),
            "backbone": legacy_specs(paradigm.backbone_inputs()),
        }

    @property
    def outputs_attr(self) -> dict[str, LegacySpec]:
        """What the head gives for a batch: `loss` to train, else its outputs, as name → `[[-1, …], dtype]`."""
        if self.phase == "train":
            return {"loss": [[1], "float32"]}
        return legacy_specs(self._paradigm_alone().outputs_attr(self.phase))

    outputs_attrs = outputs_attr
    """PALM 2's other spelling."""

    def _paradigm_alone(self) -> Paradigm:
        return PARADIGMS[self.name](self.config)

    def check_fits(self, hidden_size: int) -> None:
        """Raise ConfigError where the encoder is not `input_dim` wide."""
        if self.input_dim not in (None, hidden_size):
            rule = "input_dim is the width of the encoder."
            found = f"Found {self.input_dim} over an encoder {hidden_size} wide."
            raise ConfigError(Problem(f"palm.head.{type(self).__name__}", f"{rule} {found} Correct it."))


@final
class Classify(Head):
    """One label a text.

    Args:
        num_classes: Number of labels.
        input_dim: Width of the encoder.
        dropout_prob: Dropout in front of the head.
        param_initializer_range: Standard deviation of its freshly initialized weights.
        phase: What it is for.
    """

    def __init__(
        self,
        num_classes: int,
        input_dim: int,
        dropout_prob: float = 0.0,
        param_initializer_range: float = 0.02,
        phase: Phase = "train",
    ) -> None:
        keys = {"dropout_prob": dropout_prob, "initializer_range": param_initializer_range}
        super().__init__("cls", input_dim, phase=phase, n_classes=num_classes, **keys)


@final
class Match(Head):
    """One label a pair of texts; or with `learning_strategy="pairwise"` one score a pair.

    Args:
        num_classes: Number of labels: 2 for whether the texts match. Pairwise there are none.
        input_dim: Width of the encoder.
        dropout_prob: Dropout in front of the head.
        param_initializer_range: Standard deviation of its freshly initialized weights.
        learning_strategy: `pointwise` learns from labels; `pairwise` from a text that matches and one that does not.
        margin: `pairwise`: how far the score of the text that matches shall be above the other's.
        phase: What it is for.
    """

    def __init__(
        self,
        num_classes: int,
        input_dim: int,
        dropout_prob: float = 0.0,
        param_initializer_range: float = 0.02,
        learning_strategy: LearningStrategy = "pointwise",
        margin: float = 0.5,
        phase: Phase = "train",
    ) -> None:
        keys = {"dropout_prob": dropout_prob, "initializer_range": param_initializer_range}
        kinds: dict[str, tuple[str, dict[str, float]]] = {
            "pointwise": ("match", {"n_classes": num_classes}),
            "pairwise": ("pairwise_match", {"margin": margin}),
        }
        name, own = kinds[checked_strategy(learning_strategy, "palm.head.Match")]
        super().__init__(name, input_dim, phase=phase, **keys, **own)


@final
class SequenceLabel(Head):
    """One label per word.

    Args:
        num_classes: Number of labels.
        input_dim: Width of the encoder.
        dropout_prob: Dropout in front of the head.
        learning_rate: Accepted for scripts of PALM 2, whose head was a CRF: the factor for its transitions.
        param_initializer_range: Standard deviation of its freshly initialized weights.
        phase: What it is for.
        for_cn: Join the characters of a span without blanks.
        tag_scheme: How tags mark spans (`bio`, `bilou`, `io`, `none`, …); `auto` detects it in the training data.
    """

    def __init__(
        self,
        num_classes: int,
        input_dim: int,
        dropout_prob: float = 0.0,
        learning_rate: float = 1e-3,
        param_initializer_range: float = 0.02,
        phase: Phase = "train",
        *,
        for_cn: bool = False,
        tag_scheme: str = "auto",
    ) -> None:
        del learning_rate
        keys: dict[str, Any] = {"dropout_prob": dropout_prob, "initializer_range": param_initializer_range}
        keys |= {"n_classes": num_classes, "for_cn": for_cn, "tag_scheme": tag_scheme}
        super().__init__("seq_label", input_dim, phase=phase, **keys)


@final
class MRC(Head):
    """The answer to a question, out of a paragraph.

    Args:
        max_query_len: Accepted for scripts of PALM 2; the reader's is what counts.
        input_dim: Width of the encoder.
        pred_output_path: Folder for predictions where `predict` is given none. A number here is the dropout.
        verbose: Accepted for scripts of PALM 2.
        with_negative: Whether questions may have no answer (SQuAD 2.0).
        do_lower_case: Accepted for scripts of PALM 2: answers are pieces of the text as it stands.
        max_ans_len: Longest answer in subword tokens; 30 when None.
        null_score_diff_threshold: `No answer` wins when its score exceeds the best answer's by more than this.
        n_best_size: How many answers a question keeps.
        phase: What it is for.
        dropout_prob: Dropout in front of the head.
        for_cn: Measure Chinese answers by character.
    """

    def __init__(
        self,
        max_query_len: int,
        input_dim: int,
        pred_output_path: str | Path | float | None = None,
        verbose: bool = False,
        with_negative: bool = False,
        do_lower_case: bool = False,
        max_ans_len: int | None = None,
        null_score_diff_threshold: float = 0.0,
        n_best_size: int = 20,
        phase: Phase = "train",
        *,
        dropout_prob: float = 0.0,
        for_cn: bool = False,
    ) -> None:
        del max_query_len, verbose, do_lower_case
        folder: str | Path | None = None
        if isinstance(pred_output_path, int | float):  # the third argument was the dropout until PALM 2's order came
            dropout_prob = pred_output_path
        else:
            folder = pred_output_path
        limits = {"max_answer_len": max_ans_len or _LONGEST_ANSWER, "n_best_size": n_best_size}
        super().__init__(
            "mrc",
            input_dim,
            phase=phase,
            dropout_prob=dropout_prob,
            for_cn=for_cn,
            null_score_diff_threshold=null_score_diff_threshold,
            with_negative=with_negative,
            **limits,
        )
        self.pred_output_path = Path(folder) if folder else None


@final
class MaskLM(Head):
    """Which subword token stood where [MASK] is now.

    Args:
        input_dim: Width of the encoder.
        vocab_size: Accepted for scripts of PALM 2; the encoder's is what counts, since the two share their table.
        hidden_act: Accepted for scripts of PALM 2; the encoder's is what counts.
        dropout_prob: Dropout in front of the head.
        param_initializer_range: Standard deviation of its freshly initialized weights.
        phase: What it is for.
        top_k: How many subword tokens are predicted for each [MASK].
    """

    def __init__(
        self,
        input_dim: int,
        vocab_size: int | None = None,
        hidden_act: Literal["gelu", "relu", "tanh"] | None = None,
        dropout_prob: float = 0.0,
        param_initializer_range: float = 0.02,
        phase: Phase = "train",
        *,
        top_k: int = 5,
    ) -> None:
        del vocab_size, hidden_act
        keys = {"dropout_prob": dropout_prob, "initializer_range": param_initializer_range, "top_k": top_k}
        super().__init__("mlm", input_dim, phase=phase, **keys)


@final
class RegisteredHead(Head):
    """The head of a paradigm of your own, under the name it is registered by."""
