"""`palm board` in a process of its own: its answers, its events, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.board_process import running_board
from tests.unit.board.written import dev_line, step_line, write

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("运行")
    lines = [step_line(step, loss=1 / step) for step in range(1, 40)]
    write(folder / "第一", *lines[:20], dev_line(20, accuracy=0.5), *lines[20:], dev_line(39, accuracy=0.75))
    write(folder / f"sweep/{EVIL}", *lines)
    return folder


@pytest.fixture(scope="module")
def board(root):
    with running_board(root) as found:
        yield found


@pytest.fixture(scope="module")
def keys(board):
    for _, content, _ in board.events():
        if len(content["runs"]) == 2:
            return {run["name"]: run["key"] for run in content["runs"]}
    return {}


def curves(board, key, first=0, last=100, buckets=100):
    status, text, _ = board.ask(f"/curves?runs={key}&first={first}&last={last}&buckets={buckets}")
    assert status == 200
    return json.loads(text)


def wait_for_curves(board, key, step):
    until = time.monotonic() + 15
    while (found := curves(board, key))[key]["step"] < step:
        assert time.monotonic() < until
        time.sleep(0.1)
    return found[key]


def test_runs_are_listed_with_names_of_any_script(keys):
    assert set(keys) == {"第一", f"sweep/{EVIL}"}


def test_a_stream_tells_of_chosen_runs_and_the_curves_have_their_points(board, keys):
    key = keys["第一"]
    grown = next(content for name, content, _ in board.events(f"runs={key}") if name == "grown")
    assert grown[key]["step"] == 39
    lines = {(line["kind"], line["metric"]): line for line in wait_for_curves(board, key, 39)["lines"]}
    assert lines["loss", ""]["s"] == list(range(1, 40))
    assert lines["dev", "accuracy"]["best"] == [39, 0.75]
    assert len(curves(board, key, buckets=5)[key]["lines"][0]["s"]) < 12
    tables = json.loads(board.ask(f"/tables?runs={key}")[1])
    assert tables[0]["blocks"][0]["rows"][0][:3] == ["intent", "accuracy", "0.7500"]


def test_who_comes_back_is_told_what_was_missed(board, keys, root):
    key = keys[f"sweep/{EVIL}"]
    events = board.events(f"runs={key}")
    last = next(number for name, _, number in events if name == "grown")
    events.close()
    write(root / f"sweep/{EVIL}", step_line(40), mode="a")
    again = board.events(f"runs={key}", **{"Last-Event-ID": last})
    told = next(content for name, content, _ in again if name == "grown")
    assert told[key]["step"] == 40


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/../../etc/passwd", 404), ("/%2e%2e/%2e%2e/etc/passwd", 404), ("/index.html/..", 404),
        ("/metrics.jsonl", 404),
        ("/curves?runs=../../etc&first=0&last=1&buckets=1", 200), ("/curves?runs=a&first=-1&last=1&buckets=1", 400),
        ("/curves?runs=a&first=0&last=1&buckets=1000000000", 400), ("/curves?runs=a", 400),
        ("/curves?runs=a&first=0&last=%F0%9F&buckets=1", 400), ("/tables?runs=nothing", 200),
        (f"/tables?runs={','.join(map(str, range(13)))}", 400),
    ],
)  # fmt: skip
def test_requests_reach_nothing_but_the_listed_runs(board, path, status):
    found, text, headers = board.ask(path)
    assert found == status, text
    assert text in ("{}", "[]") if status == 200 else json.loads(text)["error"]["status"] == status
    assert headers["x-content-type-options"] == "nosniff"


def test_other_methods_are_refused(board):
    assert board.ask("/curves", "POST")[0] == 405


@pytest.mark.parametrize("path", ["/", "/events", "/curves", "/tables", "/board.js"])
def test_a_page_of_another_host_is_refused(board, path):
    status, text, _ = board.ask(path, Host="evil.example:8001")
    assert (status, json.loads(text)["error"]["where"]) == (403, "Host")


def test_the_page_asks_for_nothing_else(board):
    _, text, headers = board.ask("/")
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "://" not in text


def test_a_signal_ends_it_at_once_with_an_open_stream(root):
    with running_board(root) as board:
        next(board.events())
        began = time.monotonic()
        board.process.send_signal(signal.SIGTERM)
        assert board.process.wait(10) == 0
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "nothing: a folder with runs is expected. Found nothing there."),
        ([".", "--port", "70000"], "--port: a number from 0 to 65535 is expected. Found 70000."),
        (
            [".", "--host", "0.0.0.0"],
            "--host: the board shows runs to whoever reaches it, so it listens on this machine",
        ),
        ([".", "--host", "192.0.2.1", "--no-auth"], "--host, --port: an address of this machine and a free port"),
    ],
)
def test_what_it_cannot_do_is_said(tmp_path, words, said):
    result = subprocess.run(
        [sys.executable, "-m", "palm", "board", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith(said)
    assert result.stdout == ""


def test_the_extra_is_named_where_it_is_missing(tmp_path):
    code = "import sys; sys.modules['starlette'] = None; from palm.cli.main import main; sys.exit(main())"
    # A name that stands for nothing makes `find_spec` raise; a finder that knows none is closer to a missing package.
    code = code.replace("sys.modules['starlette'] = None", "import importlib.util as u; f = u.find_spec; "
                        "u.find_spec = lambda name, *a: None if name == 'starlette' else f(name, *a)")  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", code, "board", "."], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ,
    )  # fmt: skip
    expected = 'palm board: needs the extra `serve`. Found no starlette. Install it: pip install "paddle-palm[serve]".'
    assert (result.returncode, result.stderr.strip()) == (2, expected)
