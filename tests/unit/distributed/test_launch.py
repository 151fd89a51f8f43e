"""The supervisor, with ranks that are small Python programs without Paddle."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import palm
from palm.distributed.launch import LaunchPlan, launch
from palm.distributed.rank_environment import EXIT_LOST
from palm.report.events import read_log

ROOT = Path(palm.__file__).parents[1]
PRELUDE = "import os, signal, sys, time; rank = int(os.environ['PADDLE_TRAINER_ID']);"


def plan(folder, code, **given):
    command = [sys.executable, "-c", PRELUDE + code]
    return LaunchPlan(**{"command": command, "resume": ["--resume"], "logs": folder, "per_machine": 2, **given})


def watched(lost=()):
    """Code of a rank that its supervisor knows to be watched."""
    return (
        f"sys.path.insert(0, {str(ROOT)!r}); from palm.distributed.reports import *;"
        f"Reports.of_this_rank().write(rank, RankReport({lost}));"
    )


def supervisor(folder, code, **given):
    """A supervisor in a process of its own, to send signals to."""
    words = {"command": [sys.executable, "-c", PRELUDE + code], "per_machine": 2, **given}
    program = (
        "import sys; from pathlib import Path; from palm.distributed.launch import LaunchPlan, launch;"
        f"sys.exit(launch(LaunchPlan(resume=[], logs=Path({str(folder)!r}), **{words!r})))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines_of(process, count):
    return [process.stdout.readline() for _ in range(count)]


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(*pids, seconds=5.0):
    end = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return [pid for pid in pids if is_alive(pid)]


def test_each_rank_has_its_place_and_the_output_of_the_first_is_shown(tmp_path, capfd):
    code = "print('rank', rank, os.environ['PADDLE_TRAINERS_NUM'], os.environ['PADDLE_MASTER'].split(':')[0], '鱼')"
    assert launch(plan(tmp_path, code, per_machine=3)) == 0
    assert capfd.readouterr().out == "rank 0 3 127.0.0.1 鱼\n"
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["rank1.log", "rank2.log"]
    assert (tmp_path / "rank2.log").read_text(encoding="utf-8") == "rank 2 3 127.0.0.1 鱼\n"


def test_on_another_machine_the_output_of_its_first_rank_is_shown(tmp_path, capfd):
    code = "print(rank, os.environ['PADDLE_MASTER'])"
    assert launch(plan(tmp_path, code, machines=2, machine=1, master=("127.0.0.1", 29500))) == 0
    assert capfd.readouterr().out == "2 127.0.0.1:29500\n"
    assert (tmp_path / "rank3.log").read_text() == "3 127.0.0.1:29500\n"


def test_a_rank_that_fails_is_named_with_what_it_wrote_last(tmp_path, capfd):
    # Rank 0 is watched, so it is left to find out by itself.
    code = f"{watched()}\nif rank: print('no such 鱼', file=sys.stderr); sys.exit(7)\n"
    code += "while not Reports.of_this_rank().ends(): time.sleep(0.02)\nsys.exit(3)"
    assert launch(plan(tmp_path, code)) == 7
    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith("rank 1 (")
    assert said[0].endswith(f") ended with exit code 7; its output: {tmp_path}/rank1.log")
    assert said[1] == "  rank 1: no such 鱼"
    assert said[2].endswith(") ended with exit code 3")


def test_a_rank_learns_how_another_one_of_its_machine_ended(tmp_path, capfd):
    code = f"{watched()}\nif rank: os.kill(os.getpid(), 9)\n"
    code += (
        "while not Reports.of_this_rank().ends(): time.sleep(0.02)\nprint(Reports.of_this_rank().ends()); sys.exit(3)"
    )
    assert launch(plan(tmp_path, code)) == 128 + 9
    captured = capfd.readouterr()
    assert captured.out == "{1: 'was killed by SIGKILL'}\n"
    assert "was killed by SIGKILL; its output: " in captured.err


def test_ranks_that_have_not_met_the_failed_one_are_ended(tmp_path):
    began = time.monotonic()
    assert launch(plan(tmp_path, "sys.exit(5) if rank else time.sleep(600)")) == 5
    assert time.monotonic() - began < 10


def test_a_rank_that_the_others_gave_up_is_killed_and_named_once(tmp_path, capfd):
    lost = "[LostRank(1, 'host', 123, 'step 12', 'has not answered for 9 s')]"
    code = f"{watched(lost)}\nif rank: os.kill(os.getpid(), signal.SIGSTOP)\nelse: time.sleep(0.3); sys.exit(3)"
    began = time.monotonic()
    assert launch(plan(tmp_path, code)) == 3
    assert time.monotonic() - began < 10
    said = capfd.readouterr().err.splitlines()
    assert said[0] == "rank 1 (host, pid 123) has not answered for 9 s; last: step 12."
    assert len(said) == 2
    assert said[1].startswith("rank 0 (")


def begun(folder):
    """Code of a rank that says that the run in `folder` has begun."""
    return (
        f"sys.path.insert(0, {str(ROOT)!r}); from palm.distributed.reports import *; from pathlib import Path;"
        f"Reports.of_this_rank().write_begun(Path({str(folder)!r}))"
    )


@pytest.mark.parametrize(
    ("codes", "runs", "end"), [((1, 0), 2, 0), ((1, 1, 1), 3, 1), ((2, 0), 1, 2), ((143, 0), 1, 143)]
)
def test_a_restart_resumes_unless_the_failure_is_final(tmp_path, capfd, codes, runs, end):
    count = tmp_path / "count"
    code = (
        f"\nif rank == 0:\n  done = open({str(count)!r}, 'a'); done.write('.'); done.close()\n"
        f"  print(sys.argv[1:]); sys.exit({codes!r}[os.path.getsize({str(count)!r}) - 1])"
    )
    assert launch(plan(tmp_path, begun(tmp_path) + code, max_restarts=2)) == end
    captured = capfd.readouterr()
    assert captured.out.splitlines() == ["[]", "['--resume']", "['--resume']"][:runs]
    assert captured.err.count("Restart ") == runs - 1


def test_one_rank_is_restarted_too(tmp_path, capfd):
    code = "sys.exit(0 if '--resume' in sys.argv else 1)"
    assert launch(plan(tmp_path, f"{begun(tmp_path)}; {code}", per_machine=1, max_restarts=1)) == 0
    assert "Restart 1 of 1, from the newest checkpoint." in capfd.readouterr().err


def test_what_went_wrong_is_in_the_log_of_the_run(tmp_path, capfd):
    run = tmp_path / "跑"
    run.mkdir()
    code = f"\nif '--resume' in sys.argv: sys.exit(0)\n{begun(run)}\nos.kill(os.getpid(), 9)"
    assert launch(plan(tmp_path, code, per_machine=1, max_restarts=1)) == 0
    assert (run / "log.txt").read_text(encoding="utf-8") == capfd.readouterr().err
    assert [event.kind for event in read_log(run).events] == ["lost", "restarted"]


def test_a_run_that_had_not_begun_has_no_log_yet(tmp_path):
    assert launch(plan(tmp_path, "sys.exit(5)", per_machine=1)) == 5
    assert not (tmp_path / "log.txt").exists()


def test_a_run_that_had_not_begun_does_not_continue_an_earlier_one(tmp_path, capfd):
    code = "sys.exit(1 if '--resume' in sys.argv else 5)"
    assert launch(plan(tmp_path, code, per_machine=1, max_restarts=1)) == 5
    assert "Restart 1 of 1, from the beginning." in capfd.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_every_rank_once_and_is_the_exit_code(tmp_path, number, code):
    program = (
        "got = []; [signal.signal(n, lambda n, _: got.append(n)) for n in (2, 15)]; print(os.getpid(), flush=True)\n"
        "while not got: time.sleep(0.02)\n"
        "time.sleep(0.5); print('got', got, flush=True); sys.exit(130)"
    )
    process = supervisor(tmp_path, program)
    lines_of(process, 1)
    time.sleep(0.3)
    process.send_signal(number)
    said, complaints = process.communicate(timeout=20)
    assert said == f"got [{int(number)}]\n"
    assert f"got [{int(number)}]" in (tmp_path / "rank1.log").read_text()
    assert (process.returncode, complaints) == (code, "")


def test_ctrl_c_at_a_terminal_reaches_a_rank_once(tmp_path):
    """The terminal sends it to the supervisor's process group, in which no rank is."""
    code = "print(os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid())"
    process = supervisor(tmp_path, code)
    said, _ = process.communicate(timeout=20)
    assert said == "True True\n"


@pytest.mark.parametrize("stopped", [False, True])
def test_no_rank_outlives_a_supervisor_that_is_killed(tmp_path, stopped):
    stop = "os.kill(os.getpid(), signal.SIGSTOP)" if stopped else "pass"
    code = f"signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); {stop}; time.sleep(600)"
    process = supervisor(tmp_path, code)
    pids = [int(lines_of(process, 1)[0])]
    while not (tmp_path / "rank1.log").read_text().strip():
        time.sleep(0.02)
    pids.append(int((tmp_path / "rank1.log").read_text()))
    process.kill()
    process.communicate(timeout=20)  # to the end of their output: they have ended
    assert wait_until_gone(*pids) == []


def test_what_a_failed_rank_started_is_ended_with_it(tmp_path):
    code = (
        "import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True);"
        "os.kill(os.getpid(), 9)"
    )
    process = supervisor(tmp_path, code, per_machine=1)
    child = int(lines_of(process, 1)[0])
    process.communicate(timeout=20)
    assert process.returncode == 128 + 9
    assert wait_until_gone(child) == []


@pytest.mark.parametrize("hanging", [0, 1])
def test_a_rank_that_hangs_when_all_others_have_ended_is_named_and_killed(tmp_path, capfd, hanging):
    code = f"os.kill(os.getpid(), signal.SIGSTOP) if rank == {hanging} else None"
    began = time.monotonic()
    assert launch(plan(tmp_path, watched() + code, rank_timeout=1.0)) == EXIT_LOST
    assert 10 <= time.monotonic() - began < 14
    said = capfd.readouterr().err
    rule = r"has not answered within 10 s of the first rank that ended, and was killed\.\n"
    assert re.fullmatch(rf"rank {hanging} \(\S+, pid \d+\) {rule}", said)


def test_a_rank_that_the_others_lost_is_named_with_the_end_that_the_supervisor_saw(tmp_path, capfd):
    lost = "LostRank(0, 'here', 1, 'step 5', 'has ended, and with it the store of all ranks')"
    code = f"""
if rank == 0:
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGKILL)
{watched(f"({lost},)")}
time.sleep(1.5)
sys.exit(3)
"""
    assert launch(plan(tmp_path, code)) == 128 + signal.SIGKILL
    assert "rank 0 (here, pid 1) was killed by SIGKILL; last: step 5.\n" in capfd.readouterr().err


def test_a_rank_that_has_raised_may_end_with_its_own_exit_code_after_those_that_lost_it(tmp_path):
    lost = "LostRank(0, 'here', 1, 'step 5', 'raised ValueError: 鱼')"
    code = f"""
{watched()}
if rank == 0:
    time.sleep(1.5)
    sys.exit(1)
{watched(f"({lost},)")}
sys.exit(3)
"""
    assert launch(plan(tmp_path, code)) == 1
