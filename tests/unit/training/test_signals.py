"""The first signal is stored, and its message says what it leaves; afterwards signals have their earlier effect."""

import os
import signal
import subprocess
import sys

import pytest

from palm.training.signals import StopSignals


@pytest.mark.parametrize(("saves", "left"), [(True, "with a checkpoint"), (False, "without a checkpoint")])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_says_whether_there_will_be_a_checkpoint(
    number: signal.Signals, saves: bool, left: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with StopSignals(saves=saves) as signals:
        signal.raise_signal(number)
        assert signals.received == number
    assert signal.getsignal(number) is before
    said = f"\n{number.name}: stopping after this step, {left}. Send it again to quit at once.\n"
    assert capfd.readouterr().err == said


def test_what_a_signal_does_is_said_in_chinese(monkeypatch, capfd) -> None:
    monkeypatch.setenv("PALM_LANG", "zh")
    with StopSignals(saves=False):
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == "\nSIGINT: 在这一步之后停止，不保存检查点。再次发送则立即退出。\n"


def test_a_rank_takes_repetitions_within_a_second_for_the_same_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paddle's launch module sends SIGTERM three times."""
    monkeypatch.setenv("PADDLE_TRAINER_ID", "0")
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    with StopSignals() as signals:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_later_signal_ends_a_rank_at_once() -> None:
    code = (
        "import os, signal, palm.training.signals as signals; signals._REPEATED = -1.0\n"
        "with signals.StopSignals():\n  signal.raise_signal(15); signal.raise_signal(15); print('still there')"
    )
    environment = {**os.environ, "PADDLE_TRAINER_ID": "1", "PADDLE_TRAINERS_NUM": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
