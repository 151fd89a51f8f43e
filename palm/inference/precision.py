"""The precision that an exported model predicts in: as it was trained, or another one that is asked for."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, get_args

import numpy as np
import paddle
from paddle import Tensor

from palm.data.dataset import Batch
from palm.engine.model import MultiTaskModel
from palm.engine.no_grad import without_gradients
from palm.errors import ConfigError, Problem
from palm.kernels.choice import choose_kernels
from palm.kernels.fused.layer import ACTIVATIONS
from palm.kernels.precision import choose_precision, float32, int8, mixed_precision
from palm.kernels.products import Int8UnavailableError
from palm.schema.fields import Precision

_log = logging.getLogger("palm")

# Tokens in a batch at which the precisions are compared, from the largest.
_SIZES = (128, 32, 8)
_LAPS = 4
_smallest: dict[tuple[object, ...], int | None] = {}
_measuring = threading.Lock()

Chosen = Literal["float32", "bf16", "int8"]
"""The precision of a batch."""


class PredictionPrecision:
    """Decides the precision of each batch, in the thread that computes it; an instance of `ChoosePrecision`.

    Args:
        wanted: `auto`, `float32`, `bf16` or `int8`.
        model: The model.
        int8: In `int8`, or in `auto` where int8 pays: its measurement in words (`palm.inference.int8`).

    Raises:
        ConfigError: There is no such precision, no kernel for it, or the encoder's kernels do not compute in it.
    """

    def __init__(self, wanted: Precision, model: MultiTaskModel, int8: str | None = None) -> None:
        check_precision(wanted)
        self._wanted, self._model = wanted, model
        reason = _not_in_bf16(model)
        if wanted in ("bf16", "int8") and reason is not None:
            advice = "Leave precision out, or use other kernels."
            rule = f"{wanted} multiplies in the fused kernels."
            raise ConfigError(Problem("precision", f"{rule} Found {reason}. {advice}"))
        if wanted == "int8" and int8 is None:
            int8 = "what it changes was not measured"
        self._int8 = int8 if reason is None else None
        as_trained = wanted == "auto" and model.amp == "bf16" and reason is None
        self._amp = choose_precision("bf16" if wanted == "bf16" or as_trained else "off").computed
        self._said = False

    def __call__(self, batch: Batch) -> AbstractContextManager[None]:
        """The context for a forward pass of `batch`."""
        chosen = self.choose(batch)
        if chosen != "float32" or self._amp != "off":
            self._say()
        return _AS_CONTEXT[chosen]()

    def choose(self, batch: Batch) -> Chosen:
        """The precision of a forward pass of `batch`."""
        if self._int8 is not None:
            return "int8"
        if self._amp == "off":
            return "float32"
        smallest = self.smallest_bf16_batch
        return "bf16" if smallest is not None and _tokens(batch) >= smallest else "float32"

    def _say(self) -> None:
        if not self._said:
            self._said = True
            _log.info("%s", self.description)

    @property
    def description(self) -> str:
        """The precision in words."""
        if self._int8 is not None:
            return f"predicts in int8: {self._int8}"
        if self._amp == "off":
            return "predicts in float32"
        smallest = self.smallest_bf16_batch
        as_trained = " as it was trained" if self._wanted == "auto" else ""
        if smallest is None:
            return "predicts in float32: trained in bf16, which is slower on this machine"
        below = f"; batches below {smallest} tokens in float32, which is faster for them here" if smallest else ""
        return f"predicts in bf16{as_trained}{below}"

    @property
    def smallest_bf16_batch(self) -> int | None:
        """Tokens in a batch from which on it is computed in bfloat16; None where none is. `auto` measures it once."""
        return 0 if self._wanted == "bf16" else _measured(self._model)


def check_precision(wanted: Precision) -> None:
    """Refuse what is no precision.

    Raises:
        ConfigError: It is none.
    """
    there = get_args(Precision)
    if wanted not in there:
        rule = (
            f"one of {', '.join(there)} is expected. Found `{wanted}`. There is no such precision: choose another one."
        )
        raise ConfigError(Problem("precision", rule))


@contextmanager
def _in_int8() -> Iterator[None]:
    """The context of a forward pass in int8, with an error for the user where the encoder has no such kernel."""
    try:
        with int8():
            yield
    except Int8UnavailableError as reason:
        rule = "int8 is for encoders of BERT's layers without adapters, LoRA, own layers or a mix of layers."
        raise ConfigError(Problem("precision", f"{rule} Found one that is not: {reason}. Use `auto`.")) from reason


def _not_in_bf16(model: MultiTaskModel) -> str | None:
    """Why the encoder does not compute in bfloat16 on a CPU; None if it does."""
    config = model.backbone_config
    if paddle.device.get_device() != "cpu":
        return None
    if choose_kernels(config.kernels).name == "plain":
        return f"kernels: {config.kernels}, of which this machine has the plain ones"
    return None if config.hidden_act in ACTIVATIONS else f"hidden_act: {config.hidden_act}, which they do not compute"


def _tokens(batch: Batch) -> int:
    mask = batch.get("input_mask", batch["token_ids"])
    return int(np.count_nonzero(mask))


def _measured(model: MultiTaskModel) -> int | None:
    """The smallest batch, in tokens, that bfloat16 computes faster; measured once per process and shape of encoder."""
    config = model.backbone_config
    key = (
        *(model.backbone_kind, config.kernels, config.hidden_size, config.intermediate_size),
        *(config.num_attention_heads, config.num_hidden_layers),
    )
    with _measuring:
        if key not in _smallest:
            _smallest[key] = _smallest_faster(model)
        return _smallest[key]


@without_gradients
def _smallest_faster(model: MultiTaskModel) -> int | None:
    found = None
    for tokens in _SIZES:
        inputs = _inputs(model, min(tokens, model.backbone_config.max_position_embeddings))
        if inputs is None:
            return 0
        seconds = {name: _seconds(model, inputs, context) for name, context in _CONTEXTS.items()}
        if seconds["bf16"] > seconds["float32"]:
            return found
        found = tokens
    return 0


_CONTEXTS: dict[Chosen, Callable[[], AbstractContextManager[None]]] = {
    "float32": float32,
    "bf16": lambda: mixed_precision("bf16"),
}
_AS_CONTEXT = {**_CONTEXTS, "int8": _in_int8}


def _seconds(
    model: MultiTaskModel, inputs: dict[str, Tensor], context: Callable[[], AbstractContextManager[None]]
) -> float:
    """The shortest time of one encoder layer; the first call, which packs weights, is not counted."""
    laps = []
    for _ in range(_LAPS):
        start = time.perf_counter()
        with context():
            model.backbone(inputs, layer=0)
        laps.append(time.perf_counter() - start)
    return min(laps[1:])


def _inputs(model: MultiTaskModel, tokens: int) -> dict[str, Tensor] | None:
    """A text of `tokens` tokens for the encoder; None if it takes other inputs than those of PALM's backbones."""
    known = {
        **{name: paddle.zeros([1, tokens], "int64") for name in ("token_ids", "segment_ids", "task_ids")},
        "position_ids": paddle.arange(tokens).unsqueeze(0),
        "input_mask": paddle.ones([1, tokens]),
    }
    return {name: known[name] for name in model.backbone_inputs} if known.keys() >= set(model.backbone_inputs) else None
