"""Matching: two classes unless configured otherwise."""

import math
from pathlib import Path

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset, LabelMap
from palm.errors import ConfigError
from palm.paradigm import Classification, Matching
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)


def test_two_classes_by_default():
    assert Matching(Matching.Config()).head_shape(BACKBONE) == ("match", 8, 2)


def test_as_many_classes_as_labels():
    labels = LabelMap(("entailment", "neutral", "contradiction"))

    assert Matching(Matching.Config(), labels).head_shape(BACKBONE) == ("match", 8, 3)
    assert Matching(Matching.Config(n_classes=3)).head_shape(BACKBONE) == ("match", 8, 3)


def test_key_and_labels_must_agree():
    with pytest.raises(ConfigError, match="Found 3, but the labels are 2: 0, 1"):
        Matching(Matching.Config(n_classes=3), LabelMap(("0", "1")))


def test_a_classifier_of_the_same_size_is_another_head():
    assert Matching(Matching.Config()).head_shape(BACKBONE) != Classification(
        Classification.Config(n_classes=2)
    ).head_shape(BACKBONE)


def test_the_pair_embedding_is_what_it_looks_at():
    paradigm = Matching(Matching.Config(dropout_prob=0.0))
    layers = paradigm.build_layers(BACKBONE)
    layers.linear.weight.set_value(paddle.to_tensor([[1.0, -1.0]] * 8))
    pair = paddle.to_tensor([[0.25] * 8])

    assert paradigm.forward(layers, {"sentence_pair_embedding": pair}, "eval")["logits"].tolist() == [[2.0, -2.0]]


def test_predictions_name_the_labels():
    dataset = Dataset({"record": np.array([0])}, [{}], Path("pred.tsv"))
    prediction = Matching(Matching.Config(), LabelMap(("不匹配", "匹配"))).decode(
        [{"logits": np.array([math.log(4.0), 0.0])}], dataset
    )[0]

    assert prediction["label"] == "不匹配"
    assert prediction["probs"] == pytest.approx({"不匹配": 0.8, "匹配": 0.2})
