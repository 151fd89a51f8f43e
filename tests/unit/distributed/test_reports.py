"""Notes between ranks and their supervisor."""

from palm.distributed.rank_environment import REPORTS
from palm.distributed.reports import LostRank, RankReport, Reports

LOST = LostRank(1, "主机", 123, "step 12", "has not answered for 9 s")


def test_a_lost_rank_is_named_with_its_last_activity():
    assert str(LOST) == "rank 1 (主机, pid 123) has not answered for 9 s; last: step 12"
    assert str(LostRank(1, "a", 5, "", "was killed by SIGKILL")) == "rank 1 (a, pid 5) was killed by SIGKILL"


def test_the_supervisor_reads_what_a_rank_wrote(tmp_path, monkeypatch):
    monkeypatch.setenv(REPORTS, str(tmp_path))
    reports = Reports(tmp_path)
    assert reports.read(0) is None
    Reports.of_this_rank().write(0, RankReport())
    assert reports.read(0) == RankReport([], None)
    Reports.of_this_rank().write(0, RankReport([LOST], "out/ckpt/step_12"))
    assert reports.read(0) == RankReport([LOST], "out/ckpt/step_12")


def test_a_damaged_report_is_none(tmp_path):
    for text in ("", "{", "[]", '{"lost": [{"index": 1}], "saved": null}', '{"lost": 3, "saved": null}'):
        (tmp_path / "0.json").write_text(text, encoding="utf-8")
        assert Reports(tmp_path).read(0) is None


def test_a_rank_reads_how_others_ended(tmp_path):
    reports = Reports(tmp_path)
    assert reports.ends() == {}
    reports.write_end(2, "was killed by SIGKILL")
    assert reports.ends() == {2: "was killed by SIGKILL"}


def test_without_a_supervisor_nothing_is_written_or_read(tmp_path, monkeypatch):
    monkeypatch.delenv(REPORTS, raising=False)
    reports = Reports.of_this_rank()
    reports.write(0, RankReport([LOST]))
    reports.write_end(0, "has ended")
    assert (reports.read(0), reports.ends()) == (None, {})


def test_a_supervisor_that_is_gone_is_no_error(tmp_path):
    reports = Reports(tmp_path / "removed")
    reports.write(0, RankReport([LOST]))
    assert reports.read(0) is None
