import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.training.display.loss_curve import LossCurve


def curve(*losses: float) -> LossCurve:
    found = LossCurve()
    for loss in losses:
        found.add(loss)
    return found


def test_the_average_starts_at_the_first_loss_and_follows_the_others():
    assert curve().smoothed is None
    assert curve(2.0).smoothed == pytest.approx(2.0)
    # (0.9 · 0.1 · 2 + 0.1 · 1) / (0.9 · 0.1 + 0.1), by hand
    assert curve(2.0, 1.0).smoothed == pytest.approx(0.28 / 0.19)


def test_a_falling_loss_is_a_falling_line_from_the_highest_bar_to_the_lowest():
    line = curve(*(100.0 - step for step in range(100))).sparkline(8)
    assert (line[0], line[-1]) == ("█", "▁")
    assert list(line) == sorted(line, reverse=True)


def test_fewer_steps_than_characters_take_one_each():
    assert curve().sparkline(8) == ""
    assert curve(1.0, 1.0, 1.0).sparkline(8) == "▁▁▁"


@given(st.lists(st.floats(0, 1e6), max_size=3000), st.integers(1, 60))
def test_a_line_is_never_longer_than_it_may_be_and_the_memory_is_bounded(losses, width):
    found = curve(*losses)
    assert len(found.sparkline(width)) <= width
    assert len(found._values) + len(found._pending) <= 512 + len(losses) // 256
