import numpy as np
import pytest

from palm.reader.batching import plan_batches
from palm.reader.buckets import plan_by_length, plan_by_tokens

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
