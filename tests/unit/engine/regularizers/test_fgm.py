"""FGM: where the embeddings are moved to, and that they come back."""

import numpy as np
import paddle
import pytest
from paddle import nn

from palm.engine.regularizers.fgm import perturbed, word_embeddings
from palm.errors import TrainingError


def table_with_gradient(gradient):
    table = paddle.to_tensor([[1.0, 2.0], [3.0, 4.0]], stop_gradient=False)
    if gradient is not None:
        (table * paddle.to_tensor(gradient)).sum().backward()
    return table


def test_the_table_moves_by_epsilon_along_its_gradient():
    table = table_with_gradient([[3.0, 0.0], [0.0, 4.0]])  # of length 5
    with perturbed(table, None, 0.5) as moved:
        assert moved
        np.testing.assert_allclose(table.numpy(), [[1.3, 2.0], [3.0, 4.4]], rtol=1e-6)
    assert table.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert table.grad.numpy().tolist() == [[3.0, 0.0], [0.0, 4.0]]


def test_the_gradient_of_earlier_batches_has_no_say():
    table = table_with_gradient([[3.0, 1.0], [0.0, 0.0]])
    with perturbed(table, paddle.to_tensor([[3.0, 0.0], [0.0, 0.0]]), 0.5):
        np.testing.assert_allclose(table.numpy(), [[1.0, 2.5], [3.0, 4.0]], rtol=1e-6)


@pytest.mark.parametrize("gradient", [None, [[0.0, 0.0], [0.0, 0.0]], [[float("inf"), 0.0], [0.0, 0.0]]])
def test_without_a_direction_nothing_moves(gradient):
    table = table_with_gradient(gradient)
    with perturbed(table, None, 0.5) as moved:
        assert not moved
        assert table.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_the_table_comes_back_after_an_error():
    table = table_with_gradient([[3.0, 0.0], [0.0, 4.0]])
    with pytest.raises(ZeroDivisionError), perturbed(table, None, 0.5):
        raise ZeroDivisionError
    assert table.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_backbone_without_the_table():
    with pytest.raises(TrainingError, match=r"Found no such parameter\. Remove the key"):
        word_embeddings(nn.Linear(2, 2))
