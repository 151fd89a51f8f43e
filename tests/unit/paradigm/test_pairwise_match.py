"""The hinge loss of pairwise matching by hand, and its predictions."""

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset
from palm.paradigm.pairwise_match import PairwiseMatch, PairwiseMatchFields


def loss_of(scores, margin):
    paradigm = PairwiseMatch(PairwiseMatchFields(margin=margin))
    return float(paradigm.loss({"probs": paddle.to_tensor(np.array(scores, "float32"))}, {}))


@pytest.mark.parametrize(
    ("scores", "margin", "expected"),
    [
        ([[0.9, 0.2]], 0.5, 0.0),  # further apart than the margin
        ([[0.6, 0.4]], 0.5, 0.3),
        ([[0.4, 0.6]], 0.5, 0.7),
        ([[0.6, 0.4], [0.9, 0.2]], 0.5, 0.15),  # a mean per row
        ([[0.5, 0.5]], 0.0, 0.0),
    ],
)
def test_the_loss_is_what_the_difference_lacks_to_the_margin(scores, margin, expected):
    assert loss_of(scores, margin) == pytest.approx(expected, abs=1e-6)


def test_predictions(tmp_path):
    paradigm = PairwiseMatch(PairwiseMatchFields())
    dataset = Dataset({"record": np.arange(2)}, [{}, {}], tmp_path)
    one = [{"probs": np.array([0.25], "float32")}, {"probs": np.array([0.5], "float32")}]
    two = [{"probs": np.array([0.75, 0.5], "float32")}, {"probs": np.array([0.25, 0.5], "float32")}]

    assert paradigm.decode(one, dataset) == [{"index": 0, "probs": 0.25}, {"index": 1, "probs": 0.5}]
    assert [row["label"] for row in paradigm.decode(two, dataset)] == ["1", "0"]


def test_two_outputs_are_as_far_apart_as_their_scores():
    paradigm = PairwiseMatch(PairwiseMatchFields())
    one, other = (
        {"probs": paddle.to_tensor([[0.5], [0.5]])},
        {"probs": paddle.to_tensor([[0.7], [0.5]])},
    )

    assert float(paradigm.output_distance(one, other, {})) == pytest.approx(0.02)
    assert paradigm.incomparable == "a score"
