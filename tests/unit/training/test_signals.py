"""The first signal is stored, and its message says what it leaves; afterwards signals have their earlier effect."""

import signal

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
