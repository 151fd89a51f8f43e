import numpy as np
import paddle
import pytest

from palm.engine.optim.gradients import StepGradients
from palm.kernels.choice import choose_kernels
from palm.kernels.fused.row_table import RowGradient

pytestmark = pytest.mark.skipif(choose_kernels("auto").name != "fused", reason="no fused kernels")


def rows(numbers, width, height=5000):
    values = np.random.default_rng(1).normal(size=(len(numbers), width)).astype("float32")
    return RowGradient(np.array(numbers, np.int64), values, height)


def dense(gradient):
    whole = np.zeros((gradient.height, gradient.values.shape[1]), "float32")
    whole[gradient.rows] = gradient.values
    return paddle.to_tensor(whole)


OTHERS = {
    name: paddle.to_tensor(np.random.default_rng(2).normal(size=shape).astype("float32"))
    for name, shape in (("first", [300, 300]), ("last", [7]), ("empty", [0]))
}


@pytest.mark.parametrize("width", [1, 7, 384, 1000, 1024, 3000])
@pytest.mark.parametrize("numbers", [[0], [4999], [0, 1, 2, 77, 2730, 2731, 4998, 4999], list(range(5000))])
def test_rows_have_the_squared_norm_of_a_dense_gradient_to_the_bit(width, numbers):
    table, order = rows(numbers, width), ["first", "table", "last", "empty"]
    found = StepGradients(OTHERS, {"table": table}, order=order).squared_norm
    whole = StepGradients({**OTHERS, "table": dense(table)}, order=order).squared_norm
    assert found == whole
    exact = sum(float(np.square(part.numpy().astype("float64")).sum()) for part in (*OTHERS.values(), dense(table)))
    assert found == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", [0, 1023, 1024, 70_000, 89_999])
def test_one_number_that_is_not_finite_shows(value, where):
    spoilt = OTHERS["first"].numpy().copy().ravel()
    spoilt[where] = value
    assert not np.isfinite(StepGradients({**OTHERS, "first": paddle.to_tensor(spoilt)}).squared_norm)
    table = rows([3, 4999], 7)
    table.values[1, 6] = value
    assert not np.isfinite(StepGradients({}, {"table": table}).squared_norm)


def test_no_gradient_has_no_norm():
    assert StepGradients({}).squared_norm == 0.0
