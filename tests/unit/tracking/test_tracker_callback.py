import json
import signal
import sys

import pytest

from palm.tracking import Started, Tracker
from palm.tracking.callback import tell
from palm.tracking.events import BeginEvent, EndEvent, event_of
from palm.tracking.tracker_callback import TrackerCallback
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


def send(folder, steps, *, resumed=0, identity="id-7", loss=0.5):
    """What a tracker gets of a run over `steps`, each with a loss and an evaluation, and what the log says."""

    class Again(Notebook):
        def start(self, run):
            super().start(run)
            return Started("Notebook: open", identity)

    tracker, lines = Again(), []
    callback = TrackerCallback("notebook", tracker, lines.append)
    tell(callback, begin(folder, resumed))
    for step in steps:
        tell(callback, event_of({**STEP, "global_step": step, "loss": loss, "steps_per_second": step / 7 + resumed}))
        tell(callback, event_of({"split": "dev", "global_step": step, "task": "意图", "accuracy": 0.75}))
    tell(callback, EndEvent(steps[-1], "finished"))
    sent = [(step, min(scalars)) for name, scalars, step in (each for each in tracker.told if each[0] == "log")]
    return sent, lines[1:]


def both(*steps):
    return [(step, name) for step in steps for name in ("train/data_wait_fraction", "eval/意图/accuracy")]


def test_a_resumed_run_sends_nothing_twice(tmp_path):
    assert send(tmp_path, [1, 2, 3, 4]) == (both(1, 2, 3, 4), [])
    assert send(tmp_path, [3, 4, 5], resumed=2) == (both(5), [])
    assert send(tmp_path, [2, 3, 4, 5, 6], resumed=1) == (both(6), []), "of the first and the second part"


def test_what_the_tracker_does_not_have_of_a_step_is_sent(tmp_path):
    send(tmp_path, [1, 2, 3])
    file = tmp_path / "trackers" / "notebook.sent"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]) + "3 12")  # killed while it wrote
    assert send(tmp_path, [3, 4], resumed=2) == ([(3, "eval/意图/accuracy"), *both(4)], [])


def test_numbers_that_differ_are_sent_and_said_once(tmp_path):
    send(tmp_path, [1, 2, 3])
    sent, said = send(tmp_path, [2, 3, 4], resumed=1, loss=0.25)
    assert sent == [(2, "train/data_wait_fraction"), (3, "train/data_wait_fraction"), *both(4)]
    differs = "its numbers differ from those that were sent of it before the run was resumed"
    assert said == [f"Warning: notebook shows global step 2 twice: {differs}; maybe others, too"]


def test_another_run_in_the_tracker_is_sent_all(tmp_path):
    send(tmp_path, [1, 2, 3])
    assert send(tmp_path, [2, 3], resumed=1, identity="id-8") == (both(2, 3), [])
    send(tmp_path, [1, 2])
    assert send(tmp_path, [1, 2]) == (both(1, 2), []), "a new run"


def test_a_tracker_without_an_identity_forgets_by_itself(tmp_path):
    send(tmp_path, [1, 2, 3], identity="")
    assert send(tmp_path, [2, 3], resumed=1, identity="") == (both(2, 3), [])


def write_metrics(folder, steps):
    lines = [{**STEP, "global_step": step, "loss": 0.5} for step in steps]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize("identity", ["id-7", ""])
def test_what_did_not_arrive_before_the_checkpoint_is_sent_from_the_metrics(tmp_path, identity):
    send(tmp_path, [1, 2, 3], identity=identity)
    file = tmp_path / "trackers" / "notebook.sent"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))  # killed after step 1 had settled
    write_metrics(tmp_path, [1, 2])
    sent, said = send(tmp_path, [3], resumed=2, identity=identity)
    assert (sent, said) == ([(2, "train/data_wait_fraction"), *both(3)], [])


def test_another_run_in_the_tracker_is_sent_what_came_before(tmp_path):
    send(tmp_path, [1, 2])
    write_metrics(tmp_path, [1, 2])
    sent, said = send(tmp_path, [3], resumed=2, identity="id-8")
    assert (sent, said) == ([(1, "train/data_wait_fraction"), (2, "train/data_wait_fraction"), *both(3)], [])
