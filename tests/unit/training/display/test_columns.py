from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from palm.training.display.columns import GAP, cell, columns_for, short_number
from tests.live_runs import CHINESE, ENGLISH, trained_run

trained = cache(trained_run)


def names(width: int, tasks=ENGLISH) -> list[str]:
    return [column.name for column in columns_for(trained(tasks), width, cell_len)]


def test_what_matters_least_is_left_out_first():
    assert names(106) == ["task", "steps", "loss", "curve", "metric", "last", "best", "at step"]
    assert names(56) == ["task", "loss", "curve", "metric", "last", "best"]
    assert names(40) == ["task", "loss", "last", "best"]
    assert names(12) == ["task"]


@pytest.mark.parametrize("tasks", [ENGLISH, CHINESE])
@given(width=st.integers(1, 300))
def test_columns_are_never_wider_than_the_screen(tasks, width):
    columns = columns_for(trained(tasks), width, cell_len)
    assert sum(column.width for column in columns) + GAP * (len(columns) - 1) <= width


def test_steps_are_ticked_once_they_are_done():
    run = trained_run(["intent"], steps=20, total=15)
    assert cell("steps", run.tasks["intent"], 0) == "20 ✓"
    assert cell("steps", trained_run(["intent"], steps=8, total=15).tasks["intent"], 0) == "8/15"


def test_a_task_without_evaluation_has_dashes():
    task = trained_run(["words"], steps=10).tasks["words"]
    assert [cell(name, task, 0) for name in ("metric", "last", "best", "at step")] == ["", "–", "–", ""]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0000"), (0.98765, "0.9877"), (12.345, "12.35"), (2e9, "2.0e+09"), (1.2e-7, "1.2e-07"), (-0.5, "-0.5000")],
)
def test_numbers_take_seven_cells_at_most(value, text):
    assert short_number(value) == text
    assert len(text) <= 7
