"""The paradigm `embed`: the loss of a batch by hand, the fitted head, and its predictions."""

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset, LabelMap, Ragged
from palm.errors import ConfigError
from palm.paradigm.embed import EmbedFields, TextEmbedding
from palm.paradigm.embedding import EMBEDDINGS
from palm.schema.fields import BackboneFields

LABELS = LabelMap(("水", "air"))
BACKBONE = BackboneFields(vocab_size=5, hidden_size=2, num_hidden_layers=1, num_attention_heads=1)


def data_of(labels, folder):
    tokens = Ragged.from_rows([[1, 2]] * len(labels))
    columns = {"token_ids": tokens, "record": np.arange(len(labels)), "label_ids": np.zeros(len(labels), "int64")}
    return Dataset(columns, [{"label": label, "text_a": "x"} for label in labels], folder)


def outputs_of(vectors):
    return [{EMBEDDINGS: np.array([vector], "float32"), "logits": np.zeros(2, "float32")} for vector in vectors]


def test_the_loss_is_the_squared_error_of_the_cosines():
    paradigm = TextEmbedding(EmbedFields(), LABELS)
    outputs = {EMBEDDINGS: paddle.to_tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 2.0]])}
    inputs = {"text_rows": paddle.to_tensor([[0, 1, 2]]), "pair_scores": paddle.to_tensor([[1.0, 0.0]])}
    # Cosines 0.6 and 0: ((0.6 - 1)² + 0²) / 2.
    assert float(paradigm.loss(outputs, inputs)) == pytest.approx(0.08)
    moved = {EMBEDDINGS: paddle.to_tensor([[1.0, 0.0], [5.0, 0.0], [0.0, 2.0]])}
    assert float(paradigm.output_distance(outputs, moved, inputs)) == pytest.approx(0.08)


def test_no_gradient_trains_the_head_and_fitting_it_does(tmp_path):
    paradigm = TextEmbedding(EmbedFields(), LABELS)
    layers = paradigm.build_layers(BACKBONE)
    assert layers.parameters() == []
    assert set(layers.state_dict()) == {"linear.weight", "linear.bias"}
    labels = ["水", "air", "水", "air", "no label of the training file"]
    vectors = [[2, 0], [0, 1], [1, 0.1], [0.1, 3], [9, 9]]
    paradigm.fit_head(layers, outputs_of(vectors), [data_of(labels, tmp_path)])
    inputs = {
        "encoder_outputs": paddle.to_tensor([[[5.0, 0.2]], [[0.0, 0.5]]]),
        "input_mask": paddle.ones([2, 1]),
    }
    logits = paradigm.forward(layers, inputs, "predict")["logits"].numpy()
    assert logits.argmax(axis=1).tolist() == [0, 1]


def test_one_head_of_two_tasks_is_fitted_to_the_rows_of_both(tmp_path):
    paradigm = TextEmbedding(EmbedFields(), LABELS)
    together, apart = (paradigm.build_layers(BACKBONE) for _ in range(2))
    vectors, labels = [[2, 0], [0, 1], [1, 0.1], [0.1, 3]], ["水", "air", "水", "air"]
    paradigm.fit_head(together, outputs_of(vectors), [data_of(labels, tmp_path)])
    paradigm.fit_head(apart, outputs_of(vectors), [data_of(labels[:1], tmp_path), data_of(labels[1:], tmp_path)])
    assert np.array_equal(together.linear.weight.numpy(), apart.linear.weight.numpy())


def test_the_rows_to_fit_have_no_gold_and_are_sampled_once(tmp_path):
    data = data_of(["水", "air"] * 20, tmp_path)
    everything = TextEmbedding(EmbedFields(), LABELS).rows_to_fit(data, 1, "t")
    assert set(everything.columns) == {"token_ids", "record"}
    assert everything.num_examples == 40
    few = TextEmbedding(EmbedFields(logistic_rows=7), LABELS)
    one, other = (few.rows_to_fit(data, 1, "t") for _ in range(2))
    assert one.num_examples == 7
    assert list(one.records) == list(other.records)
    assert "label_ids" in data.columns


def test_of_the_three_texts_of_a_row_the_first_is_predicted():
    paradigm = TextEmbedding(EmbedFields(), LABELS)
    outputs = {"logits": np.arange(12.0).reshape(6, 2), EMBEDDINGS: np.arange(18.0).reshape(6, 3)}
    with_gold = paradigm.split(outputs, {"text_rows": np.arange(6).reshape(2, 3), "token_ids": np.zeros((6, 1))})
    assert [part["logits"].tolist() for part in with_gold] == [[0.0, 1.0], [6.0, 7.0]]
    without = paradigm.split(outputs, {"token_ids": np.zeros((6, 1))})
    assert [part[EMBEDDINGS].tolist() for part in without[:2]] == [[[0.0, 1.0, 2.0]], [[3.0, 4.0, 5.0]]]


@pytest.mark.parametrize("wanted", [False, True])
def test_predictions(tmp_path, wanted):
    paradigm = TextEmbedding(EmbedFields(with_embedding=wanted), LABELS)
    dataset = Dataset({"record": np.arange(1)}, [{}], tmp_path)
    outputs = [{"logits": np.array([0.0, np.log(3.0)], "float32"), EMBEDDINGS: np.array([[3.0, 4.0]], "float32")}]
    [found] = paradigm.decode(outputs, dataset)
    assert found["label"] == "air"
    assert found["probs"] == pytest.approx({"水": 0.25, "air": 0.75})
    assert found.get("embedding") == (pytest.approx([0.6, 0.8]) if wanted else None)
    assert paradigm.describe(found)[0] == "air  0.750"


def test_n_classes_must_be_that_of_the_labels():
    with pytest.raises(
        ConfigError, match=r"n_classes must be the number of labels. Found 3, but the labels are 2: 水, air"
    ):
        TextEmbedding(EmbedFields(n_classes=3), LABELS)
