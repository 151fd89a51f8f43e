"""The vector of a text is the mean over its tokens, without padding."""

import numpy as np
import paddle
import pytest

from palm.paradigm.embed_pairs import EmbedPairsFields, PairEmbedding
from palm.paradigm.embedding import EMBEDDINGS, of_unit_length
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=5, hidden_size=2, num_hidden_layers=1, num_attention_heads=1)
INPUTS = {
    "encoder_outputs": paddle.to_tensor([[[1.0, 3], [3, 5], [100, 100]], [[2, 0], [4, 0], [6, 0]]]),
    "input_mask": paddle.to_tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]),
}  # fmt: skip


def test_the_mean_of_the_tokens_is_the_default():
    paradigm = PairEmbedding(EmbedPairsFields())
    found = paradigm.forward(paradigm.build_layers(BACKBONE), INPUTS, "predict")
    assert found[EMBEDDINGS].numpy().tolist() == [[2.0, 4.0], [4.0, 0.0]]


def test_dropout_is_off_unless_asked_for():
    paddle.seed(1)
    assert EmbedPairsFields().dropout_prob == 0.0
    paradigm = PairEmbedding(EmbedPairsFields(dropout_prob=0.5))
    layers = paradigm.build_layers(BACKBONE)
    found = {tuple(paradigm.forward(layers, INPUTS, "train")[EMBEDDINGS].numpy().ravel()) for _ in range(8)}
    assert len(found) > 1


def test_pooling_with_parameters_is_another_head():
    plain, learned = (PairEmbedding(EmbedPairsFields(pooling=pooling)) for pooling in ("mean", "attention"))
    assert plain.build_layers(BACKBONE).parameters() == []
    assert len(learned.build_layers(BACKBONE).parameters()) == 1
    assert plain.head_shape(BACKBONE) != learned.head_shape(BACKBONE)


def test_smart_does_not_know_how_far_two_embeddings_are_apart():
    assert PairEmbedding(EmbedPairsFields()).incomparable == "a cosine"


def test_vectors_of_length_one():
    found = of_unit_length(np.array([[3.0, 4.0], [0.0, 0.0]], "float32"))
    assert found.dtype == np.float64
    assert found[0].tolist() == pytest.approx([0.6, 0.8])
    assert found[1].tolist() == [0.0, 0.0]
