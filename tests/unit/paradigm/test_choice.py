"""Multiple choice by hand."""

import math
from pathlib import Path

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset
from palm.paradigm import Choice
from palm.schema.fields import BackboneFields

SIZES = BackboneFields(vocab_size=11, hidden_size=1, num_hidden_layers=1, num_attention_heads=1)


def test_scores_compete_within_an_example():
    """Scores ln 3 and 0 of the first example, 0, ln 2 and 0 of the second: gold has 3/4 and 1/2."""
    paradigm = Choice(Choice.Config(dropout_prob=0.0))
    layers = paradigm.build_layers(SIZES)
    layers.linear.weight.set_value(paddle.to_tensor([[1.0]]))
    inputs = {
        "sentence_pair_embedding": paddle.to_tensor([[math.log(3.0)], [0.0], [0.0], [math.log(2.0)], [0.0]]),
        "choice_rows": paddle.to_tensor([[0, 1, 0], [2, 3, 4]]),
        "choice_mask": paddle.to_tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]),
        "label_ids": paddle.to_tensor([0, 1]),
    }
    outputs = paradigm.forward(layers, inputs, "train")
    assert float(paradigm.loss(outputs, inputs)) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, rel=1e-6)

    arrays = {name: tensor.numpy() for name, tensor in outputs.items()}
    parts = paradigm.split(arrays, {"choice_mask": inputs["choice_mask"].numpy()})
    records = [{"choices": ["北京", "上海"]}, {"choices": ["a", "b", "c"]}]
    one, other = paradigm.decode(parts, Dataset({"record": np.array([0, 1])}, records, Path("x.tsv")))
    assert (one["label"], one["choice"], one["ranking"]) == ("0", "北京", [0, 1])
    assert one["probs"] == pytest.approx([0.75, 0.25])
    assert (other["label"], other["choice"], other["ranking"]) == ("1", "b", [1, 0, 2])
