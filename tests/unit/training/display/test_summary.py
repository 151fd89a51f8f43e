import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from palm.training.display.columns import summary_rows, took
from palm.training.display.panel import summary
from tests.live_runs import CHINESE, trained_run


def finished():
    run = trained_run(CHINESE)
    for name in CHINESE[:3]:
        run.note_record({"split": "export", "global_step": 400, "task": name, "task_steps": 75, "of_step": 300})
    run.note_record({"split": "run_model", "global_step": 400, "task": None, "of_step": 400, "tasks": list(CHINESE)})
    run.run_model_folder = "output_model/infer_model"
    run.next_commands = ["palm pred output_model/问答 '你好'", "palm serve output_model"]
    return run


def test_the_rows_are_those_of_the_tasks_and_of_the_model_of_all():
    rows = list(summary_rows(finished()))
    assert rows[0] == ("意图识别", "accuracy", "0.8000", "300", "output_model/意图识别/infer_model")
    assert rows[5] == (CHINESE[5], "accuracy", "0.8000", "", ""), "it has not been exported"
    assert rows[-1] == ("all tasks", "", "", "400", "output_model/infer_model")
    assert took(finished()) == "400 steps in 0:50"


@pytest.mark.parametrize("width", [200, 80, 60, 30])
def test_the_table_is_aligned_and_complete_in_any_width(width):
    console = Console(file=io.StringIO(), width=width)
    console.print(summary(finished()))
    lines = console.file.getvalue().splitlines()
    table = [line for line in lines if line[:1] in ("╭", "│", "╰", "├")]
    assert len({cell_len(line) for line in table}) == 1
    assert cell_len(table[0]) <= width
    folded = "".join(line.replace("│", "").replace(" ", "") for line in lines)
    assert "infer_model" in folded or width == 30
    if width >= 60:
        assert lines[-1].strip() == "palm serve output_model"
