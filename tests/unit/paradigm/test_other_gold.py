"""Paradigms with gold other than one class: losses and predictions by hand."""

import math
from pathlib import Path

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset, LabelMap
from palm.paradigm import MultiLabel, Regression

DATASET = Dataset({"record": np.array([0, 1])}, [{"line": 2}, {"line": 3}], Path("pred.tsv"))


def test_regression_is_least_squares():
    outputs = {"values": paddle.to_tensor([1.0, -2.0])}
    loss = Regression(Regression.Config()).loss(outputs, {"label_values": paddle.to_tensor([3.0, -1.0])})

    assert float(loss) == (4 + 1) / 2


def test_numbers_are_predicted():
    paradigm = Regression(Regression.Config())
    parts = paradigm.split({"values": np.array([0.5, -3.25], "float32")}, {})

    assert paradigm.decode(parts, DATASET) == [{"index": 0, "value": 0.5}, {"index": 1, "value": -3.25}]


def test_each_label_is_a_question_of_its_own():
    """Probabilities 3/4 and 1/2, of which the first is gold: -ln 3/4 and -ln 1/2."""
    outputs = {"logits": paddle.to_tensor([[math.log(3.0), 0.0]])}
    loss = MultiLabel(MultiLabel.Config(n_classes=2)).loss(outputs, {"label_sets": paddle.to_tensor([[1.0, 0.0]])})

    assert float(loss) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, rel=1e-6)


def test_labels_from_the_threshold_on_are_predicted():
    logits = [{"logits": np.array([math.log(3.0), 0.0])}, {"logits": np.array([-800.0, 800.0])}]
    labels = LabelMap(("体育", "科技"))

    one, other = MultiLabel(MultiLabel.Config(), labels).decode(logits, DATASET)
    assert one["labels"] == ["体育", "科技"]
    assert one["probs"] == pytest.approx({"体育": 0.75, "科技": 0.5})
    assert (other["labels"], other["probs"]) == (["科技"], {"体育": 0.0, "科技": 1.0})
    strict = MultiLabel(MultiLabel.Config(label_threshold=0.7), labels).decode(logits, DATASET)
    assert [prediction["labels"] for prediction in strict] == [["体育"], ["科技"]]
