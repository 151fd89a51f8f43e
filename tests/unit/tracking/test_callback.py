import pytest

from palm.tracking.callback import Callback, tell
from palm.tracking.events import BeginEvent, CosineEvent, EndEvent, EvaluationEvent, ExportEvent, StepEvent

EVENTS = {
    "on_begin": BeginEvent("run", None, 0, 4, ("a",), {}),
    "on_step": StepEvent(1, "a", 1, 0, 0.5, 0.1, None, {}),
    "on_evaluate": EvaluationEvent(1, "a", {}, None, {}),
    "on_export": ExportEvent(1, "a", 1, None, {}),
    "on_cosines": CosineEvent(1, {}, {}),
    "on_end": EndEvent(1, "finished"),
}


class Recorder(Callback):
    def __init__(self):
        self.told = []

    def __getattribute__(self, name):
        if name in EVENTS:
            return lambda event: self.told.append((name, event))
        return super().__getattribute__(name)


@pytest.mark.parametrize("method", EVENTS)
def test_each_event_has_its_method(method):
    recorder = Recorder()
    tell(recorder, EVENTS[method])
    assert recorder.told == [(method, EVENTS[method])]


@pytest.mark.parametrize("method", EVENTS)
def test_a_method_that_is_not_overridden_does_nothing(method):
    assert tell(Callback(), EVENTS[method]) is None


def test_a_callback_is_named_by_its_class():
    assert Recorder().name == "Recorder"
