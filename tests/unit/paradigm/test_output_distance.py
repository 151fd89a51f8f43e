"""How far two outputs are apart: by hand and against PyTorch."""

import math

import numpy as np
import paddle
import pytest

from palm.data.dataset import LabelMap
from palm.paradigm import MultiLabel, Regression, Tagging
from palm.paradigm.output_distance import squared_difference, symmetric_kl, symmetric_kl_by_label

LABELS = LabelMap(("a", "b"))


def tensors(**arrays):
    return {name: paddle.to_tensor(array) for name, array in arrays.items()}


def test_half_the_sum_of_both_divergences():
    one, other = tensors(logits=[[0.0, math.log(3.0)]]), tensors(logits=[[0.0, 0.0]])
    forth = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    back = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)

    assert float(symmetric_kl(one, other)) == pytest.approx((forth + back) / 2, rel=1e-6)


def test_it_equals_pytorch():
    torch = pytest.importorskip("torch")
    one, other = (np.random.default_rng(seed).normal(size=(4, 3)).astype("float32") for seed in (1, 2))
    logs = [torch.log_softmax(torch.tensor(array), -1) for array in (one, other)]
    ways = [torch.nn.functional.kl_div(p, q, log_target=True, reduction="batchmean") for p, q in (logs, logs[::-1])]

    assert float(symmetric_kl(tensors(logits=one), tensors(logits=other))) == pytest.approx(
        float(sum(ways)) / 2, rel=1e-5
    )


def test_only_labelled_tokens_count():
    one = tensors(logits=[[[0.0, math.log(3.0)], [5.0, 0.0]], [[1.0, 1.0], [0.0, 7.0]]])
    other = tensors(logits=[[[0.0, 0.0], [0.0, 0.0]], [[2.0, 2.0], [0.0, 0.0]]])
    labels = tensors(label_ids=[[1, -100], [0, -100]])
    alone = symmetric_kl(tensors(logits=[[0.0, math.log(3.0)]]), tensors(logits=[[0.0, 0.0]]))

    assert float(symmetric_kl(one, other, labels["label_ids"])) == pytest.approx(float(alone) / 2, rel=1e-6)
    found = Tagging(Tagging.Config(), LABELS).output_distance(one, other, labels)
    assert float(found) == pytest.approx(float(alone) / 2, rel=1e-6)


def test_padding_of_start_and_end_does_not_count():
    one = tensors(start_logits=[[0.0, math.log(3.0), -1e9]], end_logits=[[1.0, 1.0, -1e9]])
    other = tensors(start_logits=[[0.0, 0.0, -1e9]], end_logits=[[1.0, 1.0, -1e9]])
    alone = symmetric_kl(tensors(logits=[[0.0, math.log(3.0)]]), tensors(logits=[[0.0, 0.0]]))

    assert float(symmetric_kl(one, other)) == pytest.approx(float(alone) / 2, rel=1e-6)


def test_outputs_without_logits_do_not_diverge():
    assert float(symmetric_kl(tensors(spans=[1.0]), tensors(spans=[2.0]))) == 0.0


def test_numbers_diverge_by_their_squared_difference():
    one, other = tensors(values=[1.0, 3.0]), tensors(values=[2.0, 3.0])
    assert float(squared_difference(one, other)) == 0.5
    assert float(Regression(Regression.Config()).output_distance(one, other, {})) == 0.5


def test_each_label_of_a_set_is_a_distribution():
    """Of a label with probability 3/4 against 1/2: as two classes would, and the other label is the same."""
    one, other = tensors(logits=[[math.log(3.0), 2.0]]), tensors(logits=[[0.0, 2.0]])
    two_classes = symmetric_kl(tensors(logits=[[0.0, math.log(3.0)]]), tensors(logits=[[0.0, 0.0]]))

    found = symmetric_kl_by_label(one["logits"], other["logits"])
    assert float(found) == pytest.approx(float(two_classes) / 2, rel=1e-6)
    assert float(MultiLabel(MultiLabel.Config(), LABELS).output_distance(one, other, {})) == float(found)
