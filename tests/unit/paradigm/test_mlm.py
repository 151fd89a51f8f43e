"""Masked language model: which positions are looked at, the tied decoder, predictions."""

import math
from pathlib import Path

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset
from palm.paradigm import MaskedLM
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=4, hidden_size=3, num_hidden_layers=1, num_attention_heads=1)
VOCAB = ("[PAD]", "[MASK]", "北", "new")
OUTPUTS = {
    "top_ids": np.array([[2, 3], [3, 0], [1, 2]]),
    "top_probs": np.array([[0.5, 0.25], [0.75, 0.125], [0.5, 0.5]]),
}
BATCH = {"token_ids": np.zeros((3, 4), "int64"), "mask_pos": np.array([1, 2, 9])}  # rows 0, 0 and 2


def dataset_of(record: list[int], records: int) -> Dataset:
    return Dataset({"record": np.array(record)}, [{"text_a": ""}] * records, Path("pred.tsv"))


def test_logits_are_those_of_berts_head():
    """Checked against the formula in numpy: gelu(x W + b), layer norm, product with the embeddings, bias."""
    paddle.seed(5)
    paradigm = MaskedLM(MaskedLM.Config(initializer_range=1.0))
    layers = paradigm.build_layers(BACKBONE)
    layers.bias.set_value(paddle.to_tensor([0.5, -0.5, 0.25, 0.0]))
    rng = np.random.default_rng(5)
    encoded, table = rng.normal(size=(2, 2, 3)).astype("float32"), rng.normal(size=(4, 3)).astype("float32")
    inputs = {
        "encoder_outputs": paddle.to_tensor(encoded),
        "embedding_table": paddle.to_tensor(table),
        "mask_pos": paddle.to_tensor([3, 0]),
    }

    hidden = encoded[[1, 0], [1, 0]] @ layers.transform.weight.numpy()
    erf = np.vectorize(math.erf)(hidden / math.sqrt(2))
    active = hidden * (1 + erf) / 2
    centred = active - active.mean(axis=1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True)) @ table.T + [0.5, -0.5, 0.25, 0.0]
    assert paradigm.forward(layers, inputs, "train")["logits"].numpy() == pytest.approx(expected, abs=1e-5)


def test_parameters_are_named_as_in_the_design():
    shapes = {
        name: parameter.shape
        for name, parameter in MaskedLM(MaskedLM.Config()).build_layers(BACKBONE).named_parameters()
    }

    assert shapes == {
        "transform.weight": [3, 3],
        "transform.bias": [3],
        "layer_norm.weight": [3],
        "layer_norm.bias": [3],
        "bias": [4],
    }


@pytest.mark.parametrize("phase", ["train", "eval", "predict"])
def test_a_batch_without_masks_passes(phase):
    paradigm = MaskedLM(MaskedLM.Config())
    layers = paradigm.build_layers(BACKBONE)
    empty = paddle.zeros([0], "int64")
    inputs = {
        "encoder_outputs": paddle.ones([1, 2, 3]),
        "embedding_table": paddle.ones([4, 3]),
        "mask_pos": empty,
        "mask_label": empty,
    }
    outputs = paradigm.forward(layers, inputs, phase)

    assert all(tensor.shape[0] == 0 for tensor in outputs.values())
    assert phase == "predict" or float(paradigm.loss(outputs, inputs)) == 0.0


def test_top_k_is_at_most_the_vocabulary():
    paradigm = MaskedLM(MaskedLM.Config(top_k=50))
    inputs = {
        "encoder_outputs": paddle.ones([1, 2, 3]),
        "embedding_table": paddle.ones([4, 3]),
        "mask_pos": paddle.to_tensor([1]),
    }

    assert paradigm.forward(paradigm.build_layers(BACKBONE), inputs, "predict")["top_ids"].shape == [1, 4]


def test_rows_of_the_embedding_that_stand_for_no_token_are_not_predicted():
    """Encoders pad their tables to a multiple of 8 or more; here the row without a token has the highest score."""
    paradigm = MaskedLM(MaskedLM.Config(top_k=4), vocab=VOCAB[:3])
    layers = paradigm.build_layers(BACKBONE)
    layers.bias.set_value(paddle.to_tensor([0.0, 1.0, 2.0, 9.0]))
    inputs = {
        "encoder_outputs": paddle.zeros([1, 2, 3]),
        "embedding_table": paddle.zeros([4, 3]),
        "mask_pos": paddle.to_tensor([1]),
    }

    found = paradigm.forward(layers, inputs, "predict")
    assert found["top_ids"].numpy().tolist() == [[2, 1, 0]]
    scores = np.exp([2.0, 1.0, 0.0]) / np.exp([0.0, 1.0, 2.0, 9.0]).sum()
    assert found["top_probs"].numpy()[0] == pytest.approx(scores, rel=1e-5)


def test_predictions_name_the_word_pieces_of_each_mask():
    paradigm = MaskedLM(MaskedLM.Config(), vocab=VOCAB)
    predictions = paradigm.decode(paradigm.split(OUTPUTS, BATCH), dataset_of([0, 1, 2], 3))

    assert predictions == [
        {
            "index": 0,
            "masks": [
                {"position": 1, "tokens": ["北", "new"], "ids": [2, 3], "probs": [0.5, 0.25]},
                {"position": 2, "tokens": ["new", "[PAD]"], "ids": [3, 0], "probs": [0.75, 0.125]},
            ],
        },
        {"index": 1, "masks": []},
        {"index": 2, "masks": [{"position": 1, "tokens": ["[MASK]", "北"], "ids": [1, 2], "probs": [0.5, 0.5]}]},
    ]


def test_without_a_vocabulary_there_are_ids_alone():
    paradigm = MaskedLM(MaskedLM.Config())
    [prediction] = paradigm.decode(paradigm.split(OUTPUTS, BATCH)[2:], dataset_of([0], 1))

    assert prediction == {"index": 0, "masks": [{"position": 1, "ids": [1, 2], "probs": [0.5, 0.5]}]}


def test_in_evaluation_predicted_and_gold_ids_stand_side_by_side():
    paradigm = MaskedLM(MaskedLM.Config(), vocab=VOCAB)
    predictions = paradigm.decode(
        paradigm.split(OUTPUTS, BATCH | {"mask_label": np.array([2, 2, 1])}), dataset_of([0, 1, 1], 2)
    )

    assert predictions == [{"index": 0, "tokens": [2, 3], "gold": [2, 2]}, {"index": 1, "tokens": [1], "gold": [1]}]
