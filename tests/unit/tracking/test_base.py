import json
import signal
import sys

import pytest

from palm.errors import RegistryError
from palm.tracking import TRACKERS, Started, Tracker
from palm.tracking.base import TrackerCallback
from palm.tracking.callback import tell
from palm.tracking.events import BeginEvent, EndEvent, event_of
from tests.unit.tracking.test_events import STEP


class Notebook(Tracker):
    """Writes down what it is told; raises in the method that `fails` names."""

    package, extra = "json", "notebook"

    def __init__(self, fails=""):
        self.fails, self.told = fails, []

    def start(self, run):
        self._note("start", run)
        return Started("Notebook: open", "id-7")

    def log(self, scalars, global_step):
        self._note("log", scalars, global_step)

    def finish(self, outcome):
        self._note("finish", outcome)

    def _note(self, name, *what):
        self.told.append((name, *what))
        if name == self.fails:
            raise ConnectionError("no route\nto host")


def begin(folder, step=0):
    return BeginEvent("跑", folder, step, 4, ("意图",), {"batch_size": 8, "tasks": {"意图": {"n": 1}}})


def run(tracker, folder, step=0):
    lines = []
    callback = TrackerCallback("notebook", tracker, lines.append)
    for event in (begin(folder, step), event_of(STEP), event_of(STEP), EndEvent(10, "finished")):
        tell(callback, event)
    return lines


def test_a_tracker_is_told_all_of_it(tmp_path):
    tracker = Notebook()
    assert run(tracker, tmp_path) == ["Notebook: open"]
    names = [name for name, *_ in tracker.told]
    assert names == ["start", "log", "log", "finish"]
    tracked = tracker.told[0][1]
    assert (tracked.name, tracked.folder, tracked.global_step) == ("跑", tmp_path / "trackers", 0)
    assert tracked.hyper_parameters == {"batch_size": 8, "tasks.意图.n": 1}
    assert json.dumps(tracked.config), "plain data, as trackers want it"
    assert tracker.told[1][1]["train/意图/loss"] == 0.5


@pytest.mark.parametrize("fails", ["start", "log", "finish"])
def test_a_fault_ends_the_tracker_alone_and_is_said_once(tmp_path, fails):
    tracker = Notebook(fails)
    after = [] if fails == "start" else ["Notebook: open"]
    said = "Warning: notebook failed, and is not used any more in this run: ConnectionError: no route to host"
    assert run(tracker, tmp_path) == [*after, said]
    assert [name for name, *_ in tracker.told].count(fails) == 1


def test_a_resumed_run_is_the_same_one_in_the_tracker(tmp_path):
    run(Notebook(), tmp_path)
    again, anew = Notebook(), Notebook()
    run(again, tmp_path, step=5)
    run(anew, tmp_path)
    assert again.told[0][1].identity == "id-7"
    assert anew.told[0][1].identity == ""


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_damaged_file_of_identities_is_none(tmp_path, content):
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "runs.json").write_text(content)
    tracker = Notebook()
    assert run(tracker, tmp_path, step=5) == ["Notebook: open"]


def test_a_tracker_takes_no_signal_and_no_hook_away(tmp_path):
    class Greedy(Notebook):
        def start(self, run):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.excepthook = print
            return super().start(run)

    before = signal.getsignal(signal.SIGINT), sys.excepthook
    run(Greedy(), tmp_path)
    assert (signal.getsignal(signal.SIGINT), sys.excepthook) == before


def test_without_a_folder_a_tracker_says_what_is_missing():
    lines = []
    tell(TrackerCallback("notebook", Notebook(), lines.append), begin(None))
    assert "call set_saver first" in lines[0]


def test_what_is_no_tracker_is_refused():
    with pytest.raises(RegistryError, match="a class that extends `Tracker` is expected"):
        TRACKERS.register("own")(dict)


def test_whether_a_tracker_is_installed():
    assert Notebook.is_installed()
    Notebook.package = "no_such_package.at_all"
    assert not Notebook.is_installed()
