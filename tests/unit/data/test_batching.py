"""The batches of an epoch are a pure function of seed, task and epoch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.batching import plan_batches, plan_by_length, plan_by_tokens


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


LENGTHS = np.random.default_rng(5).integers(3, 60, size=1003)
KEYS = {"seed": 1, "task": "问答"}


def cells(batches):
    return sum(len(rows) * LENGTHS[rows].max() for rows in batches)


@pytest.mark.parametrize("drop_last", [True, False])
def test_by_length_has_the_batches_of_the_plain_plan_with_less_padding(drop_last):
    grouped = plan_by_length(LENGTHS, batch_size=16, drop_last=drop_last, epoch=2, **KEYS)
    plain = plan_batches(len(LENGTHS), batch_size=16, shuffle=True, drop_last=drop_last, epoch=2, **KEYS)
    assert sorted(np.concatenate(grouped)) == sorted(np.concatenate(plain))
    assert sorted(map(len, grouped)) == sorted(map(len, plain))
    assert cells(grouped) < 1.1 * LENGTHS[np.concatenate(grouped)].sum() < 0.7 * cells(plain)


def test_by_length_long_and_short_batches_come_mixed():
    longest = [LENGTHS[rows].max() for rows in plan_by_length(LENGTHS, batch_size=16, drop_last=True, epoch=0, **KEYS)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.4


@pytest.mark.parametrize("shuffle", [True, False])
def test_by_tokens_keeps_the_budget_and_every_example_once(shuffle):
    for epoch in range(3):
        batches = plan_by_tokens(LENGTHS, max_tokens=256, shuffle=shuffle, epoch=epoch, **KEYS)
        assert sorted(np.concatenate(batches)) == list(range(len(LENGTHS)))
        assert max(len(rows) * LENGTHS[rows].max() for rows in batches) <= 256


def test_by_tokens_has_the_same_number_of_batches_every_epoch_but_not_the_same_batches():
    plans = [plan_by_tokens(LENGTHS, max_tokens=256, shuffle=True, epoch=epoch, **KEYS) for epoch in range(4)]
    assert len({len(plan) for plan in plans}) == 1
    assert len({tuple(map(tuple, plan)) for plan in plans}) == 4


def test_an_example_over_the_budget_has_a_batch_of_its_own():
    batches = plan_by_tokens(np.array([5, 300, 5]), max_tokens=20, shuffle=False, epoch=0, **KEYS)
    assert [list(rows) for rows in batches] == [[0], [1], [2]]


def test_plans_are_pure_functions():
    for plan in (
        lambda: plan_by_length(LENGTHS, batch_size=8, drop_last=True, epoch=1, **KEYS),
        lambda: plan_by_tokens(LENGTHS, max_tokens=100, shuffle=True, epoch=1, **KEYS),
    ):
        assert [list(rows) for rows in plan()] == [list(rows) for rows in plan()]
