"""Sums of gradients over ranks, with ranks that have the same gradients."""

import numpy as np
import paddle

from palm.distributed.ranks import ONE, Ranks
from palm.engine.optim.gradient_sums import sum_facts, sum_gradients, summed
from palm.engine.optim.gradients import StepGradients
from palm.kernels.fused.row_table import RowGradient


class Twins(Ranks):
    """Two ranks with the same numbers."""

    def __init__(self):
        super().__init__(0, 2)
        self.sent = []

    def sum_in_place(self, flat):
        self.sent.append(flat.shape)
        flat.set_value(flat * 2)


def test_one_process_keeps_its_tensors():
    tensors = [paddle.ones([2, 3])]
    assert summed(tensors, ONE)[0] is tensors[0]
    assert sum_facts([1.5], ONE) == [1.5]


def test_tensors_go_in_one_message_and_keep_their_shapes():
    ranks = Twins()
    one, two, three = summed([paddle.ones([2, 3]), paddle.full([], 4.0), paddle.arange(3, dtype="float32")], ranks)
    assert ranks.sent == [[10]]
    np.testing.assert_array_equal(one.numpy(), np.full((2, 3), 2.0))
    assert two.shape == []
    assert float(two) == 8.0
    assert three.numpy().tolist() == [0.0, 2.0, 4.0]


def test_of_a_table_the_rows_of_all_ranks_are_sent_and_no_other():
    ranks = Twins()
    weight = paddle.ones([3])
    own = RowGradient(np.array([2, 7]), np.array([[1.0, 2.0], [3.0, 4.0]], "float32"), 100)
    words = np.array([1, 2, 5, 7])
    gradients = StepGradients({"w": weight}, {"table": own}, order=["table", "w"])
    found, facts = sum_gradients(gradients, {"table": words}, [0.5, 1.0], ranks)
    assert ranks.sent == [[3 + 4 * 2 + 2]]
    assert facts == [1.0, 2.0]
    assert found["w"].numpy().tolist() == [2.0, 2.0, 2.0]
    table = found.rows["table"]
    assert table.rows.tolist() == [1, 2, 5, 7]
    assert table.height == 100
    assert table.values.tolist() == [[0.0, 0.0], [2.0, 4.0], [0.0, 0.0], [6.0, 8.0]]
