"""Who is lost, judged by beats whose times are given."""

import pytest

from palm.distributed.beats import Beat, Judge, News, lost_rank
from palm.distributed.reports import LostRank

TIMEOUT = 10.0


def beat(number, *, activity="step 12", limited=True, **given):
    return Beat(number, "host", 123, activity, limited=limited, where="train.py:7", **given)


def judged(*seen, longest_step=1.0):
    """A judge who saw beats: (time, rank, beat), in order."""
    judge = Judge(TIMEOUT)
    judge.longest_step = longest_step
    for now, index, given in seen:
        judge.see(index, given, now)
    return judge


def said(judge, now):
    return {rank.index: rank.why for rank in judge.lost(now)}


def test_beats_and_news_survive_the_store():
    one = beat(3, waiting="所有梯度", ended={2: "was killed by SIGKILL"})
    assert Beat.from_json(one.as_json()) == one
    news = News(7, one, [0, 2], [LostRank(1, "主机", 5, "step 3", "has not answered for 9 s")])
    assert News.from_json(news.as_json()) == news


def test_a_rank_that_beats_is_not_lost():
    judge = judged(*((second, index, beat(second)) for second in range(100) for index in (0, 1)))
    assert judge.lost(100.0) == []


@pytest.mark.parametrize(("now", "lost"), [(8.4, {}), (8.6, {1: "has not answered for 9 s"})])
def test_a_rank_that_does_not_beat_is_lost_before_the_timeout_has_passed(now, lost):
    judge = judged((0.0, 0, beat(1)), (0.0, 1, beat(1)), (now, 0, beat(2)), (now, 1, beat(1)))
    assert said(judge, now) == lost


def test_a_rank_that_never_began_is_lost_too():
    judge = judged((0.0, 1, Beat(0, "unknown host", 0, activity="starting")))
    assert [str(rank) for rank in judge.lost(9.0)] == [
        "rank 1 (unknown host, pid 0) has not answered for 9 s; last: starting"
    ]


def test_a_rank_that_is_done_may_be_silent():
    assert judged((0.0, 0, beat(1)), (0.0, 1, beat(1, done=True)), (60.0, 0, beat(2))).lost(60.0) == []


def test_a_rank_that_is_done_before_the_others_is_lost_if_they_wait_for_it():
    waiting = beat(2, waiting="gradients", meeting=5)
    assert said(judged((0.0, 0, waiting), (0.0, 1, beat(2, done=True, meeting=4))), 0.1) == {
        1: "has ended before the others"
    }
    assert said(judged((0.0, 0, waiting), (0.0, 1, beat(2, done=True, meeting=5))), 0.1) == {}


def test_a_failure_is_known_at_once_and_told_rather_than_silence():
    judge = judged((0.0, 0, beat(1)), (0.0, 1, beat(1, failed="raised DataError: 坏行")))
    assert said(judge, 0.1) == {1: "raised DataError: 坏行"}
    assert said(judge, 20.0)[1] == "raised DataError: 坏行"


def test_what_a_supervisor_says_of_a_rank_is_known_at_once():
    judge = judged((0.0, 0, beat(1, ended={1: "was killed by SIGKILL"})), (0.0, 1, beat(1)))
    assert said(judge, 0.1) == {1: "was killed by SIGKILL"}


def waits_for_rank_1(seconds, *, step=1.0, **given):
    """Rank 0 waits in meeting 5 since time 1; rank 1 beats all the time, but does not come."""
    judge = judged((0.0, 0, beat(1, meeting=4)), (0.0, 1, beat(1, meeting=4, **given)), longest_step=step)
    for second in range(1, int(seconds) + 1):
        judge.see(0, beat(second, waiting="the gradients of all ranks", meeting=5), float(second))
        judge.see(1, beat(second, meeting=4, **given), float(second))
    return said(judge, seconds)


LATE = "does not come to where the others have waited for {} s, its main thread {} at train.py:7"


@pytest.mark.parametrize(
    ("seconds", "given", "lost"),
    [
        (9.0, {}, {}),
        (10.0, {}, {1: LATE.format(9, "computes")}),
        (10.0, {"busy": False}, {1: LATE.format(9, "stands still")}),
        (600.0, {"limited": False, "activity": "evaluating intent"}, {}),
        (600.0, {"waiting": "rank 0"}, {}),
        (61.0, {"step": 30.0}, {}),
        (62.0, {"step": 30.0}, {1: LATE.format(61, "computes")}),
        (30.0, {"step": 0.0}, {}),
        (32.0, {"step": 0.0}, {1: LATE.format(31, "computes")}),
    ],
)
def test_a_rank_within_a_step_is_waited_for_as_long_as_steps_take(seconds, given, lost):
    """30 s: twice the longest step of 30 s, or three timeouts before the first step has ended."""
    assert waits_for_rank_1(seconds, **given) == lost


def test_a_step_that_is_long_on_all_ranks_is_no_hang():
    judge = Judge(TIMEOUT)
    for second in range(300):
        judge.see(0, beat(second, meeting=4), float(second))
        judge.see(1, beat(second, meeting=4), float(second))
    assert judge.lost(300.0) == []


def test_a_rank_that_waits_for_another_one_alone_is_not_awaited_in_a_meeting():
    """Rank 1 waits while rank 0 exports: both came to meeting 4."""
    judge = judged((0.0, 0, beat(1, meeting=4)), (0.0, 1, beat(1, meeting=4, waiting="rank 0, which exports")))
    for second in range(1, 600):
        judge.see(0, beat(second, meeting=4), float(second))
        judge.see(1, beat(second, meeting=4, waiting="rank 0, which exports"), float(second))
    assert judge.lost(600.0) == []


def test_the_time_in_which_this_process_was_stopped_does_not_count():
    judge = judged((0.0, 0, beat(1)), (0.0, 1, beat(1)))
    judge.pass_over(100.0)
    assert judge.lost(101.0) == []
    assert set(said(judge, 109.0)) == {0, 1}


def test_a_long_wait_without_a_limit_is_told_now_and_then():
    judge = judged((0.0, 0, beat(1)), (0.0, 1, beat(1)))
    told = []
    for second in range(1, 300):
        judge.see(0, beat(second, waiting="predictions", meeting=9), float(second))
        judge.see(1, beat(second, activity="evaluating intent", limited=False), float(second))
        told += [(second, line) for line in judge.notices(float(second))]
    assert [second for second, _ in told] == [61, 121, 241]
    assert told[0][1] == (
        "The ranks wait for rank 1: evaluating intent for 60 s, its main thread computes at train.py:7."
    )


def test_the_last_activity_says_what_a_rank_waited_for():
    found = lost_rank(1, beat(4, waiting="the gradients of all ranks"), "has not answered for 9 s")
    assert str(found) == (
        "rank 1 (host, pid 123) has not answered for 9 s; last: step 12, waiting for the gradients of all ranks"
    )
