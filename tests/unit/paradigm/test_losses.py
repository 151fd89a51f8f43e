"""Class weights, label smoothing and focal loss: by hand, and against PyTorch."""

import math

import numpy as np
import paddle
import pytest

from palm.data.dataset import LabelMap
from palm.errors import ConfigError
from palm.paradigm import Classification, Matching, Tagging
from palm.paradigm.losses import ClassLossFields, class_loss, mean_cross_entropy, weights_by_class
from palm.schema.fields import BackboneFields

LABELS = LabelMap(("体育", "科技", "财经"))
THREE_TO_ONE = [[0.0, math.log(3.0)]]  # probabilities 1/4 and 3/4


def loss_of(logits: object, labels: object, weights: list[float] | None = None, **keys: float) -> float:
    config = ClassLossFields(**keys)
    return float(class_loss(paddle.to_tensor(logits, "float32"), paddle.to_tensor(labels), config, weights))


def test_weights_make_a_weighted_mean():
    # Row 1: -ln 3/4 with weight 1; row 2: -ln 1/4 with weight 3; the weights sum to 4.
    expected = (math.log(4 / 3) + 3 * math.log(4)) / 4

    assert loss_of(THREE_TO_ONE * 2, [1, 0], [3.0, 1.0]) == pytest.approx(expected, rel=1e-6)


def test_smoothing_spreads_the_gold_probability():
    # 0.9 of the gold class's loss, and 0.1 of the mean over both classes.
    expected = 0.9 * math.log(4 / 3) + 0.1 * (math.log(4 / 3) + math.log(4)) / 2

    assert loss_of(THREE_TO_ONE, [1], label_smoothing=0.1) == pytest.approx(expected, rel=1e-6)


def test_focal_loss_counts_what_is_right_already_less():
    assert loss_of(THREE_TO_ONE, [1], focal_gamma=2.0) == pytest.approx(math.log(4 / 3) / 16, rel=1e-5)
    assert loss_of(THREE_TO_ONE, [0], focal_gamma=2.0) == pytest.approx(math.log(4) * 9 / 16, rel=1e-5)


def test_all_three_together():
    """By row: 0.9 of the gold class's loss and 0.1 of the mean over the classes, weighted, times (1 - p)^2."""
    keys = {"label_smoothing": 0.1, "focal_gamma": 2.0}
    right, wrong = math.log(4 / 3), math.log(4)
    spread = (3.0 * wrong + 1.0 * right) / 2  # each class's loss by its weight
    rows = [(0.9 * right + 0.1 * spread) / 16, (0.9 * 3.0 * wrong + 0.1 * spread) * 9 / 16]

    assert loss_of(THREE_TO_ONE * 2, [1, 0], [3.0, 1.0], **keys) == pytest.approx(sum(rows) / 4, rel=1e-5)


def test_focal_loss_and_its_gradient_equal_the_published_formula_with_class_weights():
    """FL(p) = -a (1 - p)^g log(p), a mean by the weights a; its gradient by central differences in float64."""
    logits = np.random.default_rng(3).normal(size=(6, 3)) * 2
    labels, weights, gamma = np.array([0, 2, 1, 1, 0, 2]), np.array([0.5, 1.0, 3.0]), 1.5

    def focal(scores):
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        gold = shares[np.arange(6), labels]
        return (weights[labels] * (1 - gold) ** gamma * -np.log(gold)).sum() / weights[labels].sum()

    ours = paddle.to_tensor(logits, "float32", stop_gradient=False)
    found = class_loss(ours, paddle.to_tensor(labels), ClassLossFields(focal_gamma=gamma), weights.tolist())
    found.backward()
    slopes = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        slopes[place] = (focal(logits + step) - focal(logits - step)) / 2e-5

    assert float(found) == pytest.approx(focal(logits), rel=1e-5)
    np.testing.assert_allclose(ours.grad.numpy(), slopes, atol=1e-5)


@pytest.mark.parametrize("keys", [{"label_smoothing": 0.2}, {"focal_gamma": 1.5}, {"weights": [2.0, 0.5]}])
def test_what_carries_no_label_does_not_weigh(keys):
    weights = keys.pop("weights", None)
    alone = loss_of(THREE_TO_ONE, [0], weights, **keys)

    assert loss_of([*THREE_TO_ONE, [9.0, -3.0]], [0, -100], weights, **keys) == pytest.approx(alone, rel=1e-6)
    assert loss_of(THREE_TO_ONE, [-100], weights, **keys) == 0.0


@pytest.mark.parametrize("weights", [None, [0.2, 1.0, 4.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradient_equal_pytorch(weights, smoothing):
    torch = pytest.importorskip("torch")
    logits = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    labels = np.array([2, 0, -100, 1, 2])
    theirs = torch.tensor(logits, requires_grad=True)
    scale = None if weights is None else torch.tensor(weights)
    wanted = torch.nn.functional.cross_entropy(
        theirs, torch.tensor(labels), weight=scale, label_smoothing=smoothing, ignore_index=-100
    )
    wanted.backward()
    ours = paddle.to_tensor(logits, stop_gradient=False)
    found = class_loss(ours, paddle.to_tensor(labels), ClassLossFields(label_smoothing=smoothing), weights)
    found.backward()

    assert float(found) == pytest.approx(wanted.item(), rel=1e-6)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), atol=1e-7)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_the_gradient_of_focal_loss_stays_finite_where_the_answer_is_certain(gamma):
    logits = paddle.to_tensor([[60.0, -60.0]], stop_gradient=False)
    class_loss(logits, paddle.to_tensor([0]), ClassLossFields(focal_gamma=gamma)).backward()

    assert np.isfinite(logits.grad.numpy()).all()


def test_weights_are_read_from_mappings_and_text():
    for written in ({"体育": 3, "财经": 0.5}, "体育=3, 财经=0.5"):
        assert weights_by_class(ClassLossFields(class_weights=written), LABELS, None) == [3.0, 1.0, 0.5]
    assert weights_by_class(ClassLossFields(class_weights={1: 2}), None, 2) == [1.0, 2.0]


def test_a_weight_for_a_label_that_does_not_exist():
    with pytest.raises(
        ConfigError, match=r"class_weights must name labels of the task. Found `体操`.*Labels: 体育, 科技"
    ):
        Classification(Classification.Config(class_weights={"体操": 2}), LABELS)


def test_weights_of_0_for_all_labels_are_refused():
    with pytest.raises(ConfigError, match="needs a label with a weight above 0"):
        weights_by_class(ClassLossFields(class_weights={1: 0, 0: 0}), None, 2)
    assert weights_by_class(ClassLossFields(class_weights={1: 0}), None, 2) == [1.0, 0.0]


@pytest.mark.parametrize("written", [{"a": -1}, {"a": True}, "a", 3])
def test_weights_that_are_none(written):
    with pytest.raises(ValueError, match="class_weights"):
        ClassLossFields(class_weights=written)


@pytest.mark.parametrize("paradigm", [Classification, Matching])
def test_paradigms_use_the_keys(paradigm):
    built = paradigm(paradigm.Config(class_weights="b=3", label_smoothing=0.1), LabelMap(("a", "b")))
    found = built.loss({"logits": paddle.to_tensor(THREE_TO_ONE * 2)}, {"label_ids": paddle.to_tensor([1, 0])})

    assert float(found) == pytest.approx(loss_of(THREE_TO_ONE * 2, [1, 0], [1.0, 3.0], label_smoothing=0.1))


def test_sequence_labels_are_weighted_by_token():
    built = Tagging(Tagging.Config(class_weights="O=0.5"), LabelMap(("B", "O")))
    logits = paddle.to_tensor([THREE_TO_ONE * 3])
    found = built.loss({"logits": logits}, {"label_ids": paddle.to_tensor([[1, -100, 0]])})

    assert float(found) == pytest.approx((0.5 * math.log(4 / 3) + math.log(4)) / 1.5, rel=1e-6)


def test_the_keys_leave_the_shape_of_a_head_alone():
    sizes = BackboneFields(vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    plain, weighted = (
        Classification(Classification.Config(**keys), LABELS) for keys in ({}, {"class_weights": "体育=2"})
    )

    assert plain.head_shape(sizes) == weighted.head_shape(sizes)


LOGITS = [[0.0, math.log(3.0)], [0.0, 0.0], [5.0, -5.0]]  # probabilities 1/4 3/4, 1/2 1/2, …


def test_mean_over_labelled_rows_alone():
    loss = mean_cross_entropy(paddle.to_tensor(LOGITS), paddle.to_tensor([1, 0, -100]))

    assert float(loss) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_nothing_labelled_gives_zero_and_no_gradient():
    logits = paddle.to_tensor(LOGITS, stop_gradient=False)
    loss = mean_cross_entropy(logits, paddle.to_tensor([-100, -100, -100]))
    loss.backward()

    assert float(loss) == 0.0
    assert not logits.grad.numpy().any()
