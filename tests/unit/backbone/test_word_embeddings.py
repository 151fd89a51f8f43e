import numpy as np
import paddle
import pytest
from paddle import nn

from palm.backbone.word_embeddings import WordEmbeddings
from palm.kernels.choice import choose_kernels
from palm.kernels.fused.row_table import EmbeddingRows

pytestmark = pytest.mark.skipif(choose_kernels("auto").name != "fused", reason="no fused kernels")

DOORS = {
    "weight": lambda model: model.words.weight,
    "parameters": lambda model: model.parameters(),
    "own parameters": lambda model: model.words.parameters(),
    "named_parameters": lambda model: dict(model.named_parameters()),
    "state_dict": lambda model: model.state_dict(),
    "set_state_dict": lambda model: model.set_state_dict({}),
    "get": lambda model: model.words._parameters.get("weight"),
    "values": lambda model: list(model.words._parameters.values()),
    "to": lambda model: model.to(dtype="float32"),
    "evaluation": lambda model: (model.eval(), model.words(paddle.to_tensor([1]))),
    "another optimizer": lambda model: model.words.follow(None),
}


class Model(nn.Layer):
    def __init__(self):
        super().__init__()
        self.words = WordEmbeddings(50, 4)
        self.out = nn.Linear(4, 2)


def followed():
    model, asked = Model(), []
    table = EmbeddingRows(model.words.weight)
    model.words.follow(table)
    table.catch_up = asked.append
    return model, asked


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.filterwarnings("ignore")
def test_every_way_to_the_table_catches_up_on_all_rows(door):
    model, asked = followed()
    DOORS[door](model)
    assert asked
    assert all(rows is None for rows in asked)


def test_a_training_step_catches_up_on_its_rows_alone():
    model, asked = followed()
    model.train()
    found = model.words(paddle.to_tensor([[3, 1, 3]]))
    model.out(found).sum().backward()
    assert [rows.tolist() for rows in asked] == [[1, 3]]
    assert model.words.by_rows


def test_without_a_table_it_is_an_embedding_of_paddle():
    paddle.seed(1)
    own = WordEmbeddings(50, 4)
    paddle.seed(1)
    paddles = nn.Embedding(50, 4)
    ids = paddle.to_tensor([[3, 1, 3]])
    for layer in (own, paddles):
        layer(ids).sum().backward()
    assert own(ids).numpy().tobytes() == paddles(ids).numpy().tobytes()
    assert own.weight.grad.numpy().tobytes() == paddles.weight.grad.numpy().tobytes()
    assert list(own.state_dict()) == ["weight"]
    assert not own.by_rows


def test_an_id_without_a_row_is_refused_as_paddle_does():
    model, _ = followed()
    with pytest.raises(ValueError, match="expected >= 0 and < 50"):
        model.words(paddle.to_tensor(np.array([50])))
