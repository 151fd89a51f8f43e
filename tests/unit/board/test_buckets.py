import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.board.buckets import ChartWindow, reduced


def test_a_short_curve_stays_as_it_is():
    found = reduced(np.array([1, 5]), np.array([0.5, 1 / 3]), ChartWindow(0, 10, 100))
    assert found == {
        "s": [1, 5],
        "v": [0.5, 0.33333],
    }


def test_no_curve_at_all():
    assert reduced(np.empty(0, np.int64), np.empty(0), ChartWindow(0, 10, 100)) == {"s": [], "v": []}


def test_every_peak_of_a_million_points_stays():
    values = np.sin(np.arange(1_000_000) / 1e5)
    values[123_457], values[765_432] = 9.0, -9.0
    found = reduced(np.arange(1_000_000), values, ChartWindow(0, 999_999, 500))
    assert (max(found["hi"]), min(found["lo"])) == (9.0, -9.0)
    assert 500 <= len(found["s"]) <= 1000


def test_buckets_stay_where_they_are_while_a_run_grows():
    steps, values = np.arange(4000), np.arange(4000.0)
    before = reduced(steps[:3900], values[:3900], ChartWindow(0, 3899, 100))
    after = reduced(steps, values, ChartWindow(0, 3999, 100))
    assert after["s"][:100] == before["s"][:100]
    assert after["v"][:100] == before["v"][:100]


@given(st.lists(st.floats(-1e6, 1e6), min_size=30, max_size=300), st.integers(1, 10), st.integers(1, 7))
def test_a_bucket_has_its_lowest_highest_and_mean_value(values, buckets, apart):
    steps = np.arange(len(values), dtype=np.int64) * apart
    window = ChartWindow(0, int(steps[-1]), buckets)
    found = reduced(steps, np.array(values), window)
    if "lo" not in found:
        assert len(values) <= 2 * buckets
        return
    groups = {}
    for step, value in zip(steps.tolist(), values, strict=True):
        groups.setdefault(step // window.width, []).append(value)
    assert len(found["s"]) == len(groups)
    for index, group in enumerate(groups.values()):
        expected = [sum(group) / len(group), min(group), max(group)]
        assert [found[key][index] for key in ("v", "lo", "hi")] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert all(a < b for a, b in zip(found["s"], found["s"][1:], strict=False))
