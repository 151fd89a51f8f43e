"""The batches of an epoch are a pure function of seed, task and epoch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.reader.batching import plan_batches


def plan(num_examples, **changes):
    keys = {"batch_size": 4, "shuffle": True, "drop_last": False, "seed": 1, "task": "mrqa", "epoch": 0} | changes
    return plan_batches(num_examples, **keys)


def rows(batches):
    return [batch.tolist() for batch in batches]


def test_in_order_without_shuffle():
    assert rows(plan(10, shuffle=False)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert rows(plan(10, shuffle=False, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_small_file_still_makes_one_batch():
    assert rows(plan(3, shuffle=False, drop_last=True)) == [[0, 1, 2]]


@given(st.integers(1, 60), st.integers(1, 9), st.booleans(), st.integers(0, 5))
def test_every_example_at_most_once(num_examples, batch_size, drop_last, epoch):
    batches = plan(num_examples, batch_size=batch_size, drop_last=drop_last, epoch=epoch)
    flat = np.concatenate(batches).tolist()
    assert len(set(flat)) == len(flat)
    full = max(num_examples // batch_size, 1)
    assert len(batches) == (full if drop_last else -(-num_examples // batch_size))
    if not drop_last:
        assert sorted(flat) == list(range(num_examples))


def test_equal_arguments_equal_batches():
    assert rows(plan(50)) == rows(plan(50))


@pytest.mark.parametrize("change", [{"seed": 2}, {"task": "mlm"}, {"epoch": 1}])
def test_seed_task_and_epoch_change_the_order(change):
    assert rows(plan(50)) != rows(plan(50, **change))


def test_row_numbers_are_int64():
    assert {batch.dtype for batch in [*plan(5), *plan(5, shuffle=False)]} == {np.dtype("int64")}
