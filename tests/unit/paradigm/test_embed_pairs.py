"""The paradigm `embed_pairs`: which loss a kind of pairs has, and its predictions."""

import math

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset
from palm.paradigm.embed_pairs import EmbedPairsFields, PairEmbedding
from palm.paradigm.embedding import EMBEDDINGS
from palm.paradigm.hugging_face import ApiRow

OUTPUTS = {EMBEDDINGS: paddle.to_tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 2.0], [0.0, 1.0]])}
ROWS = paddle.to_tensor([[0, 1], [2, 3]])


def test_scored_pairs_have_the_squared_error_of_the_cosine():
    paradigm = PairEmbedding(EmbedPairsFields(pair_kind="scored"))
    inputs = {"text_rows": ROWS, "label_values": paddle.to_tensor([1.0, 0.5])}
    # Cosines 0.6 and 1.
    assert float(paradigm.loss(OUTPUTS, inputs)) == pytest.approx((0.16 + 0.25) / 2)
    assert paradigm.squared_error
    assert paradigm.default_metrics == ("pearson", "spearman")
    assert set(paradigm.reader_inputs("train")) == {"input_mask", "text_rows", "label_values"}


@pytest.mark.parametrize(("scale", "symmetric"), [(20.0, False), (2.0, False), (2.0, True)])
def test_positive_pairs_have_in_batch_negatives(scale, symmetric):
    paradigm = PairEmbedding(EmbedPairsFields(similarity_scale=scale, symmetric_loss=symmetric))
    inputs = {"text_rows": ROWS, "anchor_mask": paddle.ones([2])}

    def nll(own, other):
        return math.log(1 + math.exp(scale * (other - own)))

    forward, back = (nll(0.6, 0.0) + nll(1.0, 0.8)) / 2, (nll(0.6, 0.8) + nll(1.0, 0.0)) / 2
    expected = (forward + back) / 2 if symmetric else forward
    assert float(paradigm.loss(OUTPUTS, inputs)) == pytest.approx(expected, abs=1e-6)
    assert not paradigm.squared_error
    assert paradigm.default_metrics == ("accuracy",)


def data_of(records, folder):
    return Dataset({"record": np.arange(len(records))}, records, folder)


def pair(one, other):
    return {EMBEDDINGS: np.array([one, other], "float32")}


def test_the_prediction_is_the_cosine(tmp_path):
    paradigm = PairEmbedding(EmbedPairsFields(with_embedding=True))
    [found] = paradigm.decode([pair([1, 0], [3, 4])], data_of([{"text_a": "你", "text_b": "好"}], tmp_path))
    assert found["value"] == pytest.approx(0.6)
    assert "label" not in found
    assert (found["embedding_a"], found["embedding_b"]) == ([1.0, 0.0], pytest.approx([0.6, 0.8]))
    assert paradigm.similarity(found) == found["value"]
    assert paradigm.hugging_face(found, ApiRow()) == [{"label": "similarity", "score": found["value"]}]
    assert paradigm.decode([], data_of([], tmp_path)) == []


def test_rows_with_gold_are_right_where_no_other_text_is_nearer(tmp_path):
    paradigm = PairEmbedding(EmbedPairsFields())
    outputs = [pair([1, 0], [2, 0.1]), pair([0, 1], [1, 0.2]), pair([1, 1], [4, 4])]
    found = paradigm.decode(outputs, data_of([{"label": "1"}] * 3, tmp_path))
    assert [row["label"] for row in found] == ["1", "0", "1"]
    again = [*outputs, pair([1, 0], [4, 0.2])]  # the first text_b once more, longer: as near, not nearer
    assert paradigm.decode(again, data_of([{"label": "1"}] * 4, tmp_path))[0]["label"] == "1"
