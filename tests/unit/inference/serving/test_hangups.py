"""SIGHUP before a server can reload: it ends nothing, and is remembered."""

import signal
import subprocess
import sys
import time

from palm.inference.serving.hangups import hangups_blocked

CHILD = """
import sys, time
sys.stdout.write("begun\\n")
sys.stdout.flush()
sys.stdin.readline()
from palm.inference.serving.hangups import EarlyHangups
early = EarlyHangups()
early.catch()
deadline = time.monotonic() + {seconds}
while not early.came and time.monotonic() < deadline:
    time.sleep(0.01)
print(early.came)
"""


def child(seconds: float) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", CHILD.format(seconds=seconds)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_one_from_before_the_first_line_of_a_worker_waits_for_it():
    with hangups_blocked():
        process = child(20)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    assert process.communicate("\n", timeout=60)[0] == "True\n"
    assert process.returncode == 0


def test_without_the_block_it_ends_the_process_and_without_a_signal_nothing_is_remembered():
    process = child(0.1)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == -signal.SIGHUP
    process.communicate()
    assert child(0.1).communicate("\n", timeout=60)[0] == "begun\nFalse\n"


def test_this_process_handles_it_as_before_afterwards():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with hangups_blocked():
        assert signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
