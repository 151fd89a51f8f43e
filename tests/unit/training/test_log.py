import json
from pathlib import Path

import pytest

from palm.distributed.ranks import Ranks
from palm.engine.run import StepResult
from palm.runtime.progress import progress_bar
from palm.training import log
from palm.training.earlier_runs import truncate_metrics
from palm.training.log import Reporter, data_wait_line, evaluation_line, exported_line, finished_line, say, step_line
from tests.live_runs import new_run

RESULT = StepResult(
    global_step=10,
    task="mrqa",
    step=4,
    steps_per_epoch=135,
    epoch=0,
    loss=6.2349,
    learning_rate=3e-5,
    seconds=1.3,
    data_wait=0.01,
    fault=None,
    finished=(),
    last=False,
)


def test_lines_go_to_the_terminal_and_to_a_log_that_grows(tmp_path, capsys):
    for line in ("第一行", "second"):
        with Reporter(tmp_path / "new" / "folder", total_steps=3) as reporter:
            reporter.say(line)
            reporter.advance(RESULT)
    assert capsys.readouterr().out == "第一行\nsecond\n"
    assert (tmp_path / "new" / "folder" / "log.txt").read_text(encoding="utf-8") == "第一行\nsecond\n"


def test_figures_are_json_lines_on_disk_before_the_run_ends(tmp_path):
    with Reporter(tmp_path, total_steps=1) as reporter:
        reporter.record({"task": "意图", "accuracy": 0.5})
        line = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8")
    assert json.loads(line) == {"task": "意图", "accuracy": 0.5}
    assert "意图" in line


def test_records_are_given_to_the_program_as_well_with_their_time(tmp_path):
    received = []
    with Reporter(tmp_path, total_steps=1, on_record=received.append) as reporter:
        reporter.record({"task": "意图", "loss": 0.5})
        reporter.record({"task": "意图", "accuracy": 0.5}, seconds=1.25)
    assert received == [{"task": "意图", "loss": 0.5}, {"task": "意图", "accuracy": 0.5, "seconds": 1.25}]
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1]) == {"task": "意图", "accuracy": 0.5}, "files of equal runs are equal"


def test_lines_outside_a_run(capsys):
    say("第一行", "second")
    say()
    assert capsys.readouterr().out == "第一行\nsecond\n"


def test_there_is_no_bar_where_there_is_no_terminal(tmp_path, capsys):
    with Reporter(tmp_path, total_steps=2) as reporter:
        reporter.advance(RESULT)
    assert capsys.readouterr().err == ""


def test_the_lines_are_those_of_the_manual_byte_for_byte():
    wanted = "Global step: 10. Task: mrqa, step 4/135 (epoch 0), loss: 6.235, speed: 0.75 steps/s"
    assert step_line(RESULT, 0.7512) == wanted
    assert finished_line("mrqa") == "mrqa: train finished!"
    folder = Path("output_model/secondrun/mrqa/infer_model")
    wanted = "mrqa: inference model saved at output_model/secondrun/mrqa/infer_model"
    assert exported_line("mrqa", folder) == wanted


def test_an_evaluation_lists_every_figure():
    line = evaluation_line("问答", 270, {"exact_match": 0.81234, "f1": 0.9})
    assert line == "问答: evaluation at global step 270: exact_match 0.8123, f1 0.9000"


def test_a_wait_is_told_in_per_cent():
    assert data_wait_line(0.0732).startswith("Training waited for data 7.3 % of the time. ")


@pytest.mark.parametrize("end", ["", '{"split": "dev", "global_st'])
def test_another_rank_completes_the_metrics_of_the_step_that_it_has_saved(tmp_path, monkeypatch, end):
    """The first rank was killed when it had written step 3 (and perhaps half a line), and not the evaluation."""
    lines = [
        {"split": "train", "global_step": 2, "task": "意图", "loss": 0.5},
        {"split": "train", "global_step": 3, "task": "意图", "loss": 0.25},
        {"split": "dev", "global_step": 3, "task": "意图", "accuracy": 1.0},
    ]
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines[:2]) + end, encoding="utf-8")
    monkeypatch.setattr(log, "current_ranks", lambda: Ranks(1, 2))
    with Reporter(tmp_path, total_steps=9) as reporter:
        for line in lines:
            reporter.record(line)
        reporter.complete(3)
        reporter.complete(3)
    truncate_metrics(tmp_path, 3)
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == lines


def test_the_first_rank_completes_nothing(tmp_path):
    with Reporter(tmp_path, total_steps=9) as reporter:
        reporter.record({"split": "train", "global_step": 1, "task": "a", "loss": 1.0})
        reporter.complete(1)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


class Recorded:
    """A display that keeps what it is told."""

    def __init__(self):
        self.lines, self.steps, self.ended = [], 0, None

    def open(self):
        self.lines.append("open")

    def say(self, line):
        self.lines.append(line)

    def refresh(self):
        self.steps += 1

    def close(self, *, finished):
        self.ended = finished


def test_a_display_has_what_the_user_is_to_see_and_the_log_has_all(tmp_path, capsys):
    live, display = new_run(["mrqa"]), Recorded()
    with Reporter(tmp_path, total_steps=2, display=(live, display)) as reporter:
        reporter.say("Warning: 注意")
        reporter.log("mrqa: train finished!")
        reporter.advance(RESULT)
        reporter.record({"split": "dev", "global_step": 10, "task": "mrqa", "f1": 0.5})
        with progress_bar("evaluating mrqa", 9) as advance:
            advance(3)
            assert live.activity.done == 3
    assert display.lines == ["open", "Warning: 注意"]
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "Warning: 注意\nmrqa: train finished!\n"
    assert (display.steps, display.ended, live.done, live.tasks["mrqa"].best.value) == (1, True, 10, 0.5)
    assert capsys.readouterr() == ("", "")


def test_a_display_of_a_run_that_failed_shows_no_end(tmp_path):
    display = Recorded()
    with pytest.raises(KeyboardInterrupt), Reporter(tmp_path, total_steps=2, display=(new_run(["mrqa"]), display)):
        raise KeyboardInterrupt
    assert display.ended is False
