import io
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from palm.training.display.panel import live_panel
from tests.live_runs import CHINESE, ENGLISH, new_run, trained_run


def rendered(run, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(live_panel(run, width, height))
    return console.file.getvalue().splitlines()


@cache
def busy(names):
    run = trained_run(names)
    run.note_record({"split": "export", "global_step": 269, "task": names[0], "task_steps": 90, "of_step": 269})
    run.note_activity(f"evaluating {names[-1]}", 1234, 5000)
    return run


def test_the_panel_of_the_quickstart():
    assert rendered(busy(ENGLISH), 80, 23) == [
        "╭─ PALM output_model ──────────────────────────────────────────────────────────╮",
        "│ 3 tasks × 2,400 rows × 900 steps · minilm-l6-en (bert) · 22.7 M parameters   │",
        "│ CPU, 2 threads · float32 · about 2 min                                       │",
        "│                                                                              │",
        "│ ━━━━━━━━━━━━━━━━━━━────────────────────────  400/900  8.0 steps/s  1:02 left │",
        "│                                                                              │",
        "│ task      steps     loss                 dev          last     best  at step │",
        "│ answer  133/300   0.2433  █▇▆▅▄▃▃▂▂▁▁▁▁  accuracy   0.8000   0.8000      300 │",
        "│ intent  134/300   0.2398  █▇▆▅▄▃▃▂▂▁▁▁▁  accuracy   0.8000   0.8000      300 │",
        "│ slots   133/300   0.2433  █▇▆▅▄▃▃▂▂▁▁▁▁  accuracy   0.8000   0.8000      300 │",
        "│                                                                              │",
        "│ ✓ answer exported at step 269; still trained for the others                  │",
        "│ … evaluating slots 1,234/5,000                                               │",
        "╰─────────────────────────────────────────────────────── output_model/log.txt ─╯",
    ]


@pytest.mark.parametrize("names", [ENGLISH, CHINESE])
@pytest.mark.parametrize(("width", "height"), [(80, 23), (60, 23), (200, 49), (45, 14), (40, 10)])
def test_all_lines_of_a_panel_are_equally_wide_in_cells(names, width, height):
    lines = rendered(busy(names), width, height)
    assert {cell_len(line) for line in lines} == {min(width, 110)}
    assert len(lines) <= height


def test_twelve_chinese_tasks_fit_on_a_usual_screen():
    lines = rendered(busy(CHINESE), 80, 23)
    assert sum("accuracy" in line for line in lines) == len(CHINESE)
    assert any("情感分析这一个任务…" in line for line in lines), "a long name is cut"


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 250), height=st.integers(1, 60), names=st.sampled_from([ENGLISH, CHINESE]))
def test_no_panel_is_wider_or_higher_than_the_terminal(width, height, names):
    lines = rendered(busy(names), width, height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width


def test_more_tasks_than_rows_take_turns():
    run = trained_run(CHINESE)
    seen = set()
    for _ in range(12):
        run._clock.seconds += 5
        lines = rendered(run, 80, 12)
        seen |= {name for name in CHINESE[:5] + CHINESE[6:] if any(name in line for line in lines)}
        assert "of 12 · " in lines[-1]
    assert len(seen) == len(CHINESE) - 1


def test_a_run_before_its_first_step_has_a_panel():
    lines = rendered(new_run(["意图"]), 80, 24)
    assert "0/900" in lines[4]
    assert "left" not in lines[4]


def test_names_are_text_and_not_markup():
    lines = rendered(trained_run(["[bold]a[/bold]", ":smile:"]), 80, 24)
    assert any("[bold]a[/bold]" in line for line in lines)
    assert any(":smile:" in line for line in lines)


def test_a_signal_is_shown_in_the_last_row_even_where_there_is_little_room():
    run = busy.__wrapped__(CHINESE)
    run.notice = "SIGINT: stopping after this step, with a checkpoint. Send it again to quit at once."
    assert "SIGINT: stopping" in rendered(run, 80, 23)[-2]
    assert "SIGINT: stopping" in rendered(run, 80, 12)[-2]
