"""Losses over classes: cross entropy with class weights, label smoothing and the focal factor."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge
from pydantic import BeforeValidator, Field

from palm.data.dataset import UNLABELLED, LabelMap
from palm.errors import ConfigError, Problem
from palm.paradigm.decoding import class_names
from palm.registry import did_you_mean
from palm.schema.fields import Float, ParadigmFields, no_bool

if TYPE_CHECKING:
    from paddle import Tensor


def mean_cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """Mean over the labelled rows of `logits` [row class], `labels` int64[row]; 0 if there are none.

    Paddle's own mean also counts ignored rows (3.3.1), so that the loss would depend on their number.
    """
    import paddle
    from paddle.nn import functional

    from palm.runtime.paddle_versions import computes_empty_tensors

    if not logits.shape[0] and not computes_empty_tensors():
        return paddle.zeros([])
    total = functional.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="sum")
    labelled = (labels != UNLABELLED).astype("float32").sum()
    return total / paddle.clip(labelled, min=1.0)


def split_weights(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`"rare=3, O=0.5"` → `{"rare": "3", "O": "0.5"}`; keys of mappings become text."""
    if isinstance(value, str):
        pairs = [item.rpartition("=") for item in value.split(",") if item.strip()]
        if not all(sign for _, sign, _ in pairs):
            raise ValueError("pairs such as `rare=3,O=0.5` are expected")
        return {name.strip(): number for name, _, number in pairs}
    if isinstance(value, Mapping):
        return {str(name): no_bool(number) for name, number in value.items()}
    return value


ClassWeights = Annotated[dict[str, Annotated[Float, Ge(0)]], BeforeValidator(split_weights)]


class ClassLossFields(ParadigmFields):
    """Keys of losses over classes."""

    class_weights: ClassWeights = Field(
        default_factory=dict,
        description="Weight of a label in the loss, `{rare: 3}` or `rare=3,O=0.5`; 1 for other labels.",
    )
    label_smoothing: Float = Field(
        0.0, ge=0, lt=1, description="Fraction of each gold label's probability that is distributed over all classes."
    )
    focal_gamma: Float = Field(
        0.0, ge=0, description="Focal loss: correct examples count less, by (1 - p)^gamma; 0 is off."
    )


def weights_by_class(config: ClassLossFields, labels: LabelMap | None, n_classes: int | None) -> list[float] | None:
    """Weight of each class; None if all are 1, or if the classes are not known yet.

    Raises:
        ConfigError: A weight for a label that does not exist.
    """
    if not config.class_weights or (labels is None and n_classes is None):
        return None
    names = list(class_names(labels, n_classes or 0))
    problems = []
    for name in config.class_weights:
        if name not in names:
            shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
            rule = f"class_weights must name labels of the task. Found `{name}`.{did_you_mean(name, names)}"
            problems.append(Problem("class_weights", f"{rule} Labels: {shown}."))
    weights = [config.class_weights.get(name, 1.0) for name in names]
    if not any(weights):
        rule = "class_weights needs a label with a weight above 0. Found 0 for all of them."
        problems.append(Problem("class_weights", f"{rule} Raise one."))
    if problems:
        raise ConfigError(problems)
    return weights


def weight_of_labels(labels: np.ndarray, weights: Sequence[float] | None) -> float:
    """The divisor of `class_loss`: the number of labels in `labels`, or the sum of their weights."""
    labelled = labels[labels != UNLABELLED]
    return float(len(labelled) if weights is None else np.asarray(weights, "float32")[labelled].sum())


def class_loss(
    logits: "Tensor", labels: "Tensor", config: ClassLossFields, weights: Sequence[float] | None = None
) -> "Tensor":
    """Mean loss over the labelled rows of `logits` [row class], `labels` int64[row]; 0 if there are none.

    With weights the mean is weighted by each row's gold label, and smoothing is proportional to the weights, as in
    PyTorch's `cross_entropy`. Sources: label smoothing, arXiv:1512.00567, section
    7; focal loss, arXiv:1708.02002, equation 4.
    """
    if weights is None and not config.label_smoothing and not config.focal_gamma:
        return mean_cross_entropy(logits, labels)
    import paddle
    from paddle.nn import functional

    labelled = labels != UNLABELLED
    gold = functional.one_hot(paddle.where(labelled, labels, paddle.zeros_like(labels)), logits.shape[-1])
    gold = gold * labelled.astype("float32").unsqueeze(-1)  # [row class]
    scale = paddle.ones([logits.shape[-1]]) if weights is None else paddle.to_tensor(list(weights), "float32")
    share = (gold * scale).sum(-1)  # [row]: weight of its gold label, 0 without one
    log_probs = functional.log_softmax(logits, axis=-1)
    losses = -(gold * scale * log_probs).sum(-1)
    if config.label_smoothing:
        spread = -(scale * log_probs).mean(-1) * labelled.astype("float32")
        losses = (1 - config.label_smoothing) * losses + config.label_smoothing * spread
    if config.focal_gamma:
        wrong = paddle.clip(1 - (gold * log_probs).sum(-1).exp(), min=1e-6)  # a power's gradient at 0 can be infinite
        losses = losses * wrong**config.focal_gamma
    total = share.sum()
    # Divided by 1 if all weights are 0: the sum above is then 0, or the remainder of smoothing.
    loss: Tensor = losses.sum() / paddle.where(total > 0, total, paddle.ones_like(total))
    return loss
