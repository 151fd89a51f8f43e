"""Classification: classes, predictions, and losses of tasks that share a head."""

import math
from pathlib import Path

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset, LabelMap
from palm.errors import ConfigError
from palm.paradigm import Classification
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)


def test_the_number_of_classes_comes_from_the_labels():
    assert Classification(Classification.Config(), LabelMap(("体育", "科技", "财经"))).head_shape(BACKBONE) == (
        "cls",
        8,
        3,
    )


def test_the_number_of_classes_comes_from_the_key():
    assert Classification(Classification.Config(n_classes=4)).head_shape(BACKBONE) == ("cls", 8, 4)


def test_key_and_labels_must_agree():
    with pytest.raises(ConfigError, match="Found 2, but the labels are 3: 体育, 科技, 财经") as caught:
        Classification(Classification.Config(n_classes=2), LabelMap(("体育", "科技", "财经")))

    assert [problem.where for problem in caught.value.problems] == ["n_classes"]


def test_long_lists_of_labels_are_cut_in_messages():
    with pytest.raises(ConfigError, match=r"7, 8, 9, …\. Correct"):
        Classification(Classification.Config(n_classes=2), LabelMap(tuple(str(number) for number in range(12))))


def test_neither_key_nor_labels():
    with pytest.raises(ConfigError, match="Set n_classes"):
        Classification(Classification.Config()).head_shape(BACKBONE)


def test_predictions_name_labels_and_their_probabilities():
    dataset = Dataset({"record": np.array([0, 1])}, [{"line": 2}, {"line": 3}], Path("pred.tsv"))
    outputs = [{"logits": np.array([0.0, math.log(3.0)], "float32")}, {"logits": np.array([2.0, 0.0], "float32")}]
    paradigm = Classification(Classification.Config(), LabelMap(("差评", "好评")))

    first, second = paradigm.decode(outputs, dataset)
    assert first == {
        "index": 0,
        "label": "好评",
        "probs": pytest.approx({"差评": 0.25, "好评": 0.75}),
        "logits": pytest.approx([0.0, math.log(3.0)]),
    }
    assert (second["index"], second["label"]) == (1, "差评")


def test_without_labels_classes_go_by_number():
    dataset = Dataset({"record": np.array([0])}, [{}], Path("pred.tsv"))
    paradigm = Classification(Classification.Config(n_classes=3))

    assert paradigm.decode([{"logits": np.array([0.0, 1.0, 3.0])}], dataset)[0]["label"] == "2"


def test_tasks_with_a_shared_head_and_opposite_labels_keep_their_own_loss():
    """PaddlePALM 0.2.1 trained a shared head on the labels of the last task that shared it."""
    first = Classification(Classification.Config(dropout_prob=0.0), LabelMap(("no", "yes")))
    second = Classification(Classification.Config(dropout_prob=0.0), LabelMap(("yes", "no")))
    layers = first.build_layers(BACKBONE)
    assert first.head_shape(BACKBONE) == second.head_shape(BACKBONE)
    layers.linear.weight.set_value(paddle.zeros([8, 2]))
    layers.linear.bias.set_value(paddle.to_tensor([2.0, 0.0]))
    inputs = {"sentence_embedding": paddle.randn([1, 8])}
    losses = {}
    for name, paradigm, label in (("first", first, 0), ("second", second, 1)):
        batch = inputs | {"label_ids": paddle.to_tensor([label])}
        losses[name] = float(paradigm.loss(paradigm.forward(layers, batch, "train"), batch))

    # Logits 2 and 0: the loss of class 0 is ln(1 + e⁻²), that of class 1 is 2 more.
    assert losses == pytest.approx({"first": math.log1p(math.exp(-2)), "second": 2 + math.log1p(math.exp(-2))})


def test_two_tasks_on_one_head_both_learn():
    """Their examples differ, so one linear layer can serve both although the labels of the tasks are opposite."""
    paddle.seed(1)
    paradigm = Classification(Classification.Config(dropout_prob=0.0, n_classes=2))
    layers = paradigm.build_layers(BACKBONE)
    optimizer = paddle.optimizer.Adam(0.1, parameters=layers.parameters())
    points = paddle.eye(8)[:4]  # [example hidden]
    tasks = [
        {"sentence_embedding": points[:2], "label_ids": paddle.to_tensor([0, 1])},
        {"sentence_embedding": points[2:], "label_ids": paddle.to_tensor([1, 0])},
    ]
    losses = [math.inf, math.inf]
    for step in range(200):
        task = step % 2
        loss = paradigm.loss(paradigm.forward(layers, tasks[task], "train"), tasks[task])
        loss.backward()
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)
        losses[task] = float(loss)

    assert max(losses) < 0.02


def test_unknown_labels_in_dev_data_do_not_weigh_in_the_loss():
    paradigm = Classification(Classification.Config(n_classes=2))
    outputs = {"logits": paddle.to_tensor([[0.0, math.log(3.0)], [9.0, 0.0]])}

    assert float(paradigm.loss(outputs, {"label_ids": paddle.to_tensor([1, -100])})) == pytest.approx(math.log(4 / 3))
