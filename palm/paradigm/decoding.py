"""Predictions from logits: probabilities, label names, and the examples of each record."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np

from palm.data.dataset import Dataset, IntArray, LabelMap
from palm.errors import ConfigError, Problem
from palm.paradigm.base import Outputs, Prediction, PseudoLabel


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, `float64[... class]`."""
    exponents = np.exp(logits.astype("float64") - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def check_classes(n_classes: int | None, labels: LabelMap | None) -> None:
    """Raise ConfigError if the key `n_classes` and the labels of the training file disagree."""
    if n_classes is None or labels is None or n_classes == len(labels):
        return
    shown = ", ".join(labels.names[:10]) + (", …" if len(labels) > 10 else "")
    message = f"n_classes must be the number of labels. Found {n_classes}, but the labels are {len(labels)}: {shown}."
    raise ConfigError(Problem("n_classes", f"{message} Correct n_classes, or remove it."))


def count_classes(n_classes: int | None, labels: LabelMap | None) -> int:
    """The key `n_classes` if set, else the number of labels.

    Raises:
        ConfigError: Neither is known.
    """
    if n_classes is not None:
        return n_classes
    if labels is None:
        message = "the number of classes is needed. Found neither n_classes nor labels. Set n_classes."
        raise ConfigError(Problem("n_classes", message))
    return len(labels)


def class_names(labels: LabelMap | None, count: int) -> Sequence[str]:
    """Label names by id; the ids themselves without labels."""
    return labels.names if labels is not None else [str(number) for number in range(count)]


def split_logits(outputs: Outputs) -> list[Outputs]:
    """One `{"logits": [class]}` per example."""
    return [{"logits": row} for row in outputs["logits"]]


def decode_classes(
    outputs: Sequence[Outputs], dataset: Dataset, labels: LabelMap | None, temperature: float = 1.0
) -> list[Prediction]:
    """Label name, probability of each label, and logits of each record; these are not divided by `temperature`."""
    return list(_predictions(outputs, dataset, labels, temperature))


def _predictions(
    outputs: Sequence[Outputs], dataset: Dataset, labels: LabelMap | None, temperature: float
) -> Iterator[Prediction]:
    for index, output in zip(dataset.array("record"), outputs, strict=True):
        logits = output["logits"]
        names = class_names(labels, len(logits))
        yield {
            "index": int(index),
            "label": names[int(np.argmax(logits))],
            "probs": dict(zip(names, softmax(logits / temperature).tolist(), strict=True)),
            "logits": logits.tolist(),
        }


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of independent labels, `float64[... class]`."""
    probabilities: np.ndarray = 0.5 * (1.0 + np.tanh(0.5 * logits.astype("float64")))  # without overflow
    return probabilities


def decode_label_sets(
    outputs: Sequence[Outputs],
    dataset: Dataset,
    names: Sequence[str],
    threshold: float,
    temperature: float = 1.0,
) -> list[Prediction]:
    """The labels with at least the probability `threshold`, probability of each label, and logits of each record.

    Labels are chosen before the logits are divided by `temperature`, which changes the reported probabilities alone.
    """
    found: list[Prediction] = []
    for index, output in zip(dataset.array("record"), outputs, strict=True):
        chosen, probabilities = sigmoid(output["logits"]), sigmoid(output["logits"] / temperature)
        found.append(
            {
                "index": int(index),
                "labels": [name for name, p in zip(names, chosen, strict=True) if p >= threshold],
                "probs": dict(zip(names, probabilities.tolist(), strict=True)),
                "logits": output["logits"].tolist(),
            }
        )
    return found


def describe_label_set(prediction: Prediction) -> list[str]:
    """The labels of a prediction with their probabilities, in lines for a terminal."""
    probabilities = cast("Mapping[str, float]", prediction["probs"])
    labels = cast("Sequence[str]", prediction["labels"])
    return [f"{label}  {probabilities[label]:.3f}" for label in labels] or ["(no label)"]


def pseudo_label_set(prediction: Prediction) -> PseudoLabel:
    """The set of labels; its probability is that of the least certain of all labels, whether in the set or not."""
    probabilities = cast("Mapping[str, float]", prediction["probs"])
    chosen = cast("Sequence[str]", prediction["labels"])
    certain = [each if name in chosen else 1.0 - each for name, each in probabilities.items()]
    return PseudoLabel(list(chosen), min(certain))


def examples_by_record(dataset: Dataset) -> list[IntArray]:
    """Indices of the examples of each record, in order; an empty array for a record without any."""
    record = dataset.array("record")
    order = np.argsort(record, kind="stable")
    starts = np.searchsorted(record[order], np.arange(1, len(dataset.records)))
    return np.split(order, starts)
