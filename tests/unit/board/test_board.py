import threading
import time
from contextlib import contextmanager

from palm.board import board as board_module
from palm.board.board import Board, Faults
from tests.unit.board.written import step_line, write


@contextmanager
def started(root, monkeypatch):
    monkeypatch.setattr(board_module, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(board_module, "_LIST_SECONDS", 0.02)
    changed = threading.Event()
    board = Board(root, changed.set)
    board.watch(0, [])
    board.start()
    yield board
    board.close()


def wait(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def names(board):
    return {run["name"] for run in board.listed()["runs"]}


def key_of(board, name):
    return next(run["key"] for run in board.listed()["runs"] if run["name"] == name)


def test_runs_appear_grow_and_disappear(tmp_path, monkeypatch):
    write(tmp_path / "a", step_line(1))
    with started(tmp_path, monkeypatch) as board:
        wait(lambda: names(board) == {"a"})
        write(tmp_path / "sweep/b", step_line(1))
        wait(lambda: names(board) == {"a", "sweep/b"})
        version = board.version
        (tmp_path / "a/metrics.jsonl").unlink()
        wait(lambda: names(board) == {"sweep/b"})
        assert board.list_version > version


def test_chosen_runs_are_followed(tmp_path, monkeypatch):
    write(tmp_path / "a", step_line(1))
    with started(tmp_path, monkeypatch) as board:
        wait(lambda: names(board) == {"a"})
        key = key_of(board, "a")
        assert board.progress_since(0, [key]) == {}
        board.watch(0, [key])
        wait(lambda: board.progress_since(0, [key]))
        version = board.version
        assert board.progress_since(version, [key]) == {}
        write(tmp_path / "a", step_line(2), mode="a")
        wait(lambda: board.progress_since(version, [key]))
        assert board.progress_since(version, [key])[key]["step"] == 2


def test_without_viewers_nothing_is_read(tmp_path, monkeypatch):
    with started(tmp_path, monkeypatch) as board:
        wait(lambda: board.version)
        board.unwatch(0)
        time.sleep(0.2)
        write(tmp_path / "a", step_line(1))
        time.sleep(0.2)
        assert names(board) == set()
        board.watch(1, [])
        wait(lambda: names(board) == {"a"})


def test_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(board_module, "MOST_LINES", 50)
    for name in "abc":
        write(tmp_path / name, *(step_line(step) for step in range(1, 41)))
    with started(tmp_path, monkeypatch) as board:
        wait(lambda: len(names(board)) == 3)
        for name in "abc":
            key = key_of(board, name)
            board.watch(0, [key])
            wait(lambda key=key: board.progress_since(0, [key]).get(key, {}).get("step") == 40)
        wait(lambda: len(board._live) == 1)
        assert list(board._live) == [key]


def test_a_key_of_no_run_opens_nothing(tmp_path):
    assert Board(tmp_path, list).open("../../etc/passwd") is None


def test_the_first_list_has_every_run(tmp_path):
    """A page that comes back to a board which was started again gives up the chosen runs that a list lacks."""
    for name in ("first", "第二", "third"):
        write(tmp_path / name, step_line(1))
    told = []
    board = Board(tmp_path, lambda: told.append([run["name"] for run in board.listed()["runs"]]))
    board._update()
    assert [sorted(found) for found in told] == [["first", "third", "第二"]]


def test_a_disk_that_fails_is_said_once_and_when_it_is_back(tmp_path, monkeypatch, caplog):
    write(tmp_path / "甲", step_line(1))
    tries, errors, find = [], [OSError(5, "Input/output error")], board_module.find_run_folders

    def failing(root):
        tries.append(root)
        for error in errors[-1:]:
            raise error
        return find(root)

    monkeypatch.setattr(board_module, "find_run_folders", failing)
    with started(tmp_path, monkeypatch) as board:
        wait(lambda: len(tries) > 4)
        errors.append(PermissionError(13, "Permission denied"))
        seen = len(tries)
        wait(lambda: len(tries) > seen + 4)
        errors.pop()
        seen = len(tries)
        wait(lambda: len(tries) > seen + 4)
        errors.clear()
        wait(lambda: names(board) == {"甲"})
        wait(lambda: "again." in caplog.messages[-1])
        errors.append(OSError(5, "Input/output error"))
        wait(lambda: "Input/output" in caplog.messages[-1])
    fault = f"{tmp_path}: the runs cannot be read: {{}}. The board tries again."
    assert caplog.messages == [
        fault.format("OSError: [Errno 5] Input/output error"),
        fault.format("PermissionError: [Errno 13] Permission denied"),
        f"{tmp_path}: the runs can be read again.",
        fault.format("OSError: [Errno 5] Input/output error"),
    ]
    assert not any(record.exc_info for record in caplog.records), "no traceback for a disk"


def test_an_error_of_another_kind_has_its_trace_once(tmp_path, caplog):
    faults = Faults(tmp_path)
    for _ in range(3):
        faults.note(ValueError("wrong"))
    (record,) = caplog.records
    assert record.exc_info[0] is ValueError
