"""The panel, the table at the end and the table of a notebook in Chinese: complete, and never too wide."""

import io
import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from palm.training.display.panel import live_panel, summary
from tests.english_words import english_words
from tests.live_runs import CHINESE, ENGLISH, trained_run

# Names, units and paths, which are the same in Chinese.
NAMES = (*ENGLISH, *CHINESE, "PALM", "output_model", "minilm-l6-en (bert)", "CPU", "float32", "accuracy")
NAMES += ("log.txt", "infer_model", "palm serve", "M 参数", "SIGINT")


@pytest.fixture(autouse=True, scope="module")
def _chinese():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALM_LANG", "zh")
        yield


@cache
def busy(names):
    run = trained_run(names)
    run.note_record({"split": "export", "global_step": 269, "task": names[0], "task_steps": 90, "of_step": 269})
    run.note_record({"split": "export", "global_step": 270, "task": names[0], "task_steps": 90, "of_step": 150})
    run.note_record({"split": "run_model", "global_step": 400, "task": None, "of_step": 400, "tasks": list(names)})
    run.run_model_folder = "output_model/infer_model"
    run.next_commands = ["palm serve output_model"]
    run.note_activity(f"evaluating {names[-1]}", 1234, 5000)
    run.notice = "SIGINT: stopping after this step, without a checkpoint. Send it again to quit at once."
    return run


def rendered(shown, width: int, height: int = 23) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(shown)
    return console.file.getvalue().splitlines()


def test_the_panel_of_the_quickstart():
    assert rendered(live_panel(busy(ENGLISH), 80, 23), 80) == [
        "╭─ PALM output_model ──────────────────────────────────────────────────────────╮",
        "│ 3 个任务 × 2,400 行 × 900 步 · minilm-l6-en (bert) · 22.7 M 参数             │",
        "│ CPU, 2 个线程 · float32 · 约 2 分钟                                          │",
        "│                                                                              │",
        "│ ━━━━━━━━━━━━━━━━━━━━─────────────────────────  400/900  8.0 步/秒  剩余 1:02 │",
        "│                                                                              │",
        "│ 任务       步数     损失                  开发集       最近     最佳  所在步 │",
        "│ answer  133/300   0.2433  █▇▆▅▄▃▃▂▂▂▁▁▁▁  accuracy   0.8000   0.8000     300 │",
        "│ intent  134/300   0.2398  █▇▆▅▄▃▃▂▂▂▁▁▁▁  accuracy   0.8000   0.8000     300 │",
        "│ slots   133/300   0.2433  █▇▆▅▄▃▃▂▂▂▁▁▁▁  accuracy   0.8000   0.8000     300 │",
        "│                                                                              │",
        "│ ✓ answer 在第 269 步导出；仍为其他任务继续训练                               │",
        "│ ✓ answer 导出第 150 步的模型                                                 │",
        "│ … 正在评估 slots 1,234/5,000                                                 │",
        "│ SIGINT: 在这一步之后停止，不保存检查点。再次发送则立即退出。                 │",
        "╰─────────────────────────────────────────────────────── output_model/log.txt ─╯",
    ]


@pytest.mark.parametrize("names", [ENGLISH, CHINESE])
@pytest.mark.parametrize("width", [200, 80, 60, 45])
def test_nothing_is_left_in_english(names, width):
    lines = [*rendered(live_panel(busy(names), width, 40), width), *rendered(summary(busy(names)), 200)]
    assert english_words("\n".join(lines), but=NAMES) == set()


def test_before_the_first_step_and_where_a_step_takes_seconds():
    run = trained_run(ENGLISH, steps=8)
    run._clock.seconds += 60
    assert english_words("\n".join(rendered(live_panel(run, 80, 23), 80)), but=NAMES) == set()
    assert any("秒/步" in line for line in rendered(live_panel(run, 80, 23), 80))


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 250), height=st.integers(1, 60), names=st.sampled_from([ENGLISH, CHINESE]))
def test_no_panel_is_wider_or_higher_than_the_terminal(width, height, names):
    lines = rendered(live_panel(busy(names), width, height), width, height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width
    if lines[0].startswith("╭"):
        assert {cell_len(line) for line in lines} == {min(width, 110)}


def test_tasks_that_take_turns_are_counted():
    assert "任务 6–10，共 12 个 · output_model/log.txt" in rendered(live_panel(trained_run(CHINESE), 80, 11), 80)[-1]


@pytest.mark.parametrize("width", [200, 80, 60, 30])
def test_the_table_at_the_end_is_aligned(width):
    lines = rendered(summary(busy(CHINESE)), width)
    table = [line for line in lines if line[:1] in ("╭", "│", "╰", "├")]
    assert len({cell_len(line) for line in table}) == 1
    assert cell_len(table[0]) <= width
    if width >= 80:
        heads = ["任务", "开发集指标", "最佳", "步", "模型"]
        assert [cell.strip() for cell in table[1].strip("│").split("│")] == heads
        assert lines[0].strip() == "PALM output_model  400 步，用时 0:50"
        assert any(line.startswith("│ 所有任务 ") for line in lines)


def test_the_tables_of_a_notebook():
    pytest.importorskip("IPython", reason='needs the extra notebook: pip install "paddle-palm[notebook]"')
    from palm.training.display.notebook import final_html, live_html

    for html in (live_html(busy(ENGLISH)), final_html(busy(ENGLISH))):
        assert english_words(re.sub("<[^>]*>", " ", html), but=NAMES) == set()
    assert "剩余 1:02" in live_html(busy(ENGLISH))
    assert "<th>开发集指标</th>" in final_html(busy(ENGLISH))
