import json

from palm.report.reporter import Reporter


def test_lines_go_to_the_terminal_and_to_a_log_that_grows(tmp_path, capsys):
    for line in ("第一行", "second"):
        with Reporter(tmp_path / "new" / "folder", total_steps=3) as reporter:
            reporter.say(line)
            reporter.advance()
    assert capsys.readouterr().out == "第一行\nsecond\n"
    assert (tmp_path / "new" / "folder" / "log.txt").read_text(encoding="utf-8") == "第一行\nsecond\n"


def test_figures_are_json_lines_on_disk_before_the_run_ends(tmp_path):
    with Reporter(tmp_path, total_steps=1) as reporter:
        reporter.record({"task": "意图", "accuracy": 0.5})
        line = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8")
    assert json.loads(line) == {"task": "意图", "accuracy": 0.5}
    assert "意图" in line


def test_there_is_no_bar_where_there_is_no_terminal(tmp_path, capsys):
    with Reporter(tmp_path, total_steps=2) as reporter:
        reporter.advance()
    assert capsys.readouterr().err == ""
