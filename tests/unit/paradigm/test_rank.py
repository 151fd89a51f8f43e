"""Losses over lists of candidates against PyTorch and by hand, and the predictions."""

import math
from pathlib import Path

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset
from palm.paradigm import Rank
from palm.paradigm.rank_losses import distillation, listwise_softmax, margin_squared_error, pairwise_margin
from palm.schema.fields import BackboneFields

SIZES = BackboneFields(vocab_size=11, hidden_size=1, num_hidden_layers=1, num_attention_heads=1)
SCORES = np.array([[1.5, -0.5, 0.25, -1e9], [0.0, 2.0, 1.0, -1.0], [0.5, 0.5, -1e9, -1e9]], "float32")
RELEVANCE = np.array([[0, 2, 1, 0], [3, 0, 0, 0.5], [1, 1, 0, 0]], "float32")
MASK = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]], "float32")
LISTS = [
    [(float(s), float(y)) for s, y, m in zip(*row, strict=True) if m]
    for row in zip(SCORES, RELEVANCE, MASK, strict=True)
]


def tensors():
    return [paddle.to_tensor(array) for array in (SCORES, RELEVANCE, MASK)]


def log_softmax(values):
    total = math.log(sum(map(math.exp, values)))
    return [value - total for value in values]


def test_listwise_softmax_by_hand():
    expected = []
    for own in LISTS:
        total = sum(y for _, y in own)
        expected.append(
            -sum(y / total * found for (_, y), found in zip(own, log_softmax([s for s, _ in own]), strict=True))
        )
    assert float(listwise_softmax(*tensors())) == pytest.approx(sum(expected) / 3, rel=1e-6)


def test_a_list_without_relevance_teaches_nothing():
    scores = paddle.to_tensor(SCORES[:1], stop_gradient=False)
    loss = listwise_softmax(scores, paddle.to_tensor([[0.0, -1.0, 0.0, 0.0]]), paddle.to_tensor(MASK[:1]))
    loss.backward()
    assert float(loss) == 0
    assert not scores.grad.numpy().any()


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_margin_is_torchs_over_all_ordered_pairs(margin):
    torch = pytest.importorskip("torch")
    expected = []
    for own in LISTS:
        pairs = [(s, other) for s, y in own for other, less in own if y > less]
        one, other = (
            (torch.tensor(side) for side in zip(*pairs, strict=True)) if pairs else (torch.zeros(1), torch.zeros(1))
        )
        hinge = torch.nn.functional.margin_ranking_loss(one, other, torch.ones_like(one), margin=margin)
        expected.append(float(hinge) if pairs else 0.0)
    assert float(pairwise_margin(*tensors(), margin)) == pytest.approx(sum(expected) / 3, rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distillation_is_torchs_divergence(temperature):
    torch = pytest.importorskip("torch")
    expected = []
    for own in LISTS:
        scores, teacher = (torch.tensor(side) / temperature for side in zip(*own, strict=True))
        divergence = torch.nn.functional.kl_div(
            torch.log_softmax(scores, -1), torch.softmax(teacher, -1), reduction="sum"
        )
        expected.append(float(divergence) * temperature**2)
    assert float(distillation(*tensors(), temperature)) == pytest.approx(sum(expected) / 3, rel=1e-5)


def test_margin_squared_error_by_hand():
    expected = []
    for own in LISTS:
        pairs = [(own[i], own[j]) for i in range(len(own)) for j in range(i)]
        expected.append(sum(((s - t) - (y - z)) ** 2 for (s, y), (t, z) in pairs) / len(pairs))
    assert float(margin_squared_error(*tensors())) == pytest.approx(sum(expected) / 3, rel=1e-6)


@pytest.mark.parametrize("name", ["listwise", "margin", "distill", "margin_mse"])
def test_absent_candidates_have_no_gradient(name):
    paradigm = Rank(Rank.Config(rank_loss=name))
    scores, relevance, mask = tensors()
    scores.stop_gradient = False
    loss = paradigm.loss({"logits": scores}, {"relevance": relevance, "choice_mask": mask})
    loss.backward()
    gradient = scores.grad.numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[MASK == 0]).max() < 1e-20  # Paddle's softmax keeps a probability of exp(-64)
    assert gradient[MASK > 0].any()


def test_predictions():
    paradigm = Rank(Rank.Config(dropout_prob=0.0))
    records = [{"choices": ["北京", "上海", "河"], "relevance": [0, 1, 1]}, {"text_a": "谁", "text_b": "鱼"}]
    outputs = [{"logits": np.array([0.5, 2.0, -1.0], "float32")}, {"logits": np.array([0.25], "float32")}]
    one, other = paradigm.decode(outputs, Dataset({"record": np.array([0, 1])}, records, Path("x.tsv")))
    assert one == {
        "index": 0, "choice": "上海", "ranking": [1, 0, 2], "scores": [0.5, 2.0, -1.0],
        "probs": pytest.approx([math.exp(s) / sum(map(math.exp, (0.5, 2.0, -1.0))) for s in (0.5, 2.0, -1.0)]),
    }  # fmt: skip
    assert (other["choice"], other["scores"], other["probs"]) == ("鱼", [0.25], [1.0])
    compared = paradigm.compare([one], records[:1])
    assert (compared.gold, compared.predicted) == ([1], [1])
