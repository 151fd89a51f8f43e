from palm.board.board_run import BoardRun
from palm.board.buckets import ChartWindow
from tests.unit.board.written import step_line, write

ALL = ChartWindow(0, 10**6, 100)


def losses(run):
    return run.chart_lines(ALL)["lines"][0]["v"]


def test_a_growing_run_is_followed(tmp_path):
    write(tmp_path, step_line(1))
    run = BoardRun(tmp_path, "a")
    assert (run.update(1.0), run.update(1.0)) == (True, False)
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"split": "train", "global_step": 2')
        file.flush()
        assert not run.update(1.0)
        file.write(', "task": "intent", "loss": 0.5}\n')
    assert run.update(1.0)
    assert losses(run) == [1.0, 0.5]


def test_a_resume_begins_anew_and_is_told(tmp_path):
    write(tmp_path, *(step_line(step) for step in range(1, 6)))
    run = BoardRun(tmp_path, "a")
    run.update(1.0)
    aside = write(tmp_path / "aside", step_line(1, loss=7.0)) / "metrics.jsonl"
    aside.replace(tmp_path / "metrics.jsonl")
    assert run.update(1.0)
    assert losses(run) == [7.0]
    assert (run.progress["generation"], run.lines) == (1, 1)


def test_a_large_file_is_read_in_slices(tmp_path):
    write(tmp_path, *(step_line(step) for step in range(1, 8001)))
    run = BoardRun(tmp_path, "a")
    slices = 0
    while run.update(0.0):
        slices += 1
        assert 0 < run.progress["read"] <= 1
    assert slices > 2
    assert (run.progress["read"], run.lines, run.progress["step"]) == (1.0, 8000, 8000)


def test_the_log_is_followed_by_whole_lines(tmp_path):
    write(tmp_path, step_line(1))
    log = tmp_path / "log.txt"
    log.write_text("Resumed from x at global step 3.\nWarning: half", encoding="utf-8")
    run = BoardRun(tmp_path, "a")
    run.update(1.0)
    assert [event.kind for event in run.as_read().log.events] == ["resumed"]
    with log.open("a", encoding="utf-8") as file:
        file.write(" a line\n")
    assert run.update(1.0)
    assert [event.text for event in run.as_read().log.events][1:] == ["Warning: half a line"]
    log.write_text("Warning: another run\n", encoding="utf-8")
    run.update(1.0)
    assert [event.text for event in run.as_read().log.events] == ["Warning: another run"]


def test_a_log_without_ends_of_lines_is_passed_over(tmp_path):
    write(tmp_path, step_line(1))
    (tmp_path / "log.txt").write_bytes(b"x" * (1 << 20) + b"\nWarning: y\n")
    run = BoardRun(tmp_path, "a")
    for _ in range(4):
        run.update(1.0)
    assert [event.kind for event in run.as_read().log.events] == ["warning"]
