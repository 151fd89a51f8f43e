import math

from palm.tracking import sent
from palm.tracking.sent import SentNumbers

NUMBERS = {"train/意图/loss": 0.1 + 0.2, "train/steps_per_second": 3.0}


def test_the_numbers_of_a_step_are_known_by_name_and_value(tmp_path):
    file = tmp_path / "意图.sent"
    first = SentNumbers(file, up_to=0)
    first.add(NUMBERS, 7)
    first.settle()
    again = SentNumbers(file, up_to=math.inf)
    assert again.value_of(NUMBERS, 7) is True
    assert again.value_of({**NUMBERS, "train/steps_per_second": 9.0}, 7) is True, "timings are no result"
    assert again.value_of({**NUMBERS, "train/意图/loss": 0.3}, 7) is False, "another double"
    assert again.value_of({"eval/意图/loss": 0.1 + 0.2}, 7) is None
    assert again.value_of(NUMBERS, 8) is None


def test_what_a_tracker_forgets_is_not_read(tmp_path):
    first = SentNumbers(tmp_path / "a", up_to=0)
    for step in (1, 2, 3):
        first.add(NUMBERS, step)
    first.settle()
    assert [SentNumbers(tmp_path / "a", up_to=2).value_of(NUMBERS, step) for step in (1, 2, 3)] == [True, True, None]
    again = SentNumbers(tmp_path / "a", up_to=3)
    assert again.value_of(NUMBERS, 3) is None, (
        "forgotten by the run before, which was killed before it sent step 3 again"
    )


def test_what_a_killed_process_sent_at_the_very_last_is_sent_again(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(sent.time, "monotonic", lambda: now[0])
    killed = SentNumbers(tmp_path / "a", up_to=0)
    for step, seconds in ((1, 0.0), (2, 5.0), (3, 12.0)):
        now[0] = seconds
        killed.add(NUMBERS, step)
    again = SentNumbers(tmp_path / "a", up_to=math.inf)
    assert [again.value_of(NUMBERS, step) for step in (1, 2, 3)] == [True, None, None]


def test_a_new_run_begins_a_new_file(tmp_path):
    (tmp_path / "a").write_text("1 aa bb\n")
    SentNumbers(tmp_path / "a", up_to=0)
    assert (tmp_path / "a").read_text() == ""


def test_lines_that_are_none_are_passed_over(tmp_path):
    (tmp_path / "a").write_bytes(b"1 aa\nx aa bb\n\xff\xff\n")
    assert SentNumbers(tmp_path / "a", up_to=math.inf).value_of(NUMBERS, 1) is None
