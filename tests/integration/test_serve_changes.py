"""A server that stops, reloads or loses a worker under load answers every request that it accepted."""

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.integration.served_tasks import ENGLISH, train_all
from tests.integration.server_process import Load, in_parallel, need_the_extra, refused, send_until, serving

need_the_extra()

BODIES = [
    {"inputs": [ENGLISH, "红鱼 in the river"], "tasks": ["intent", "slots"]},
    {"inputs": [{"text_a": ENGLISH, "text_b": "a bird"}]},
]
ONE = {"inputs": [ENGLISH], "tasks": ["intent"]}
CLIENTS = 16


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of the same tasks with other weights."""
    return (
        train_all(tmp_path_factory.mktemp("first"), steps=12),
        train_all(tmp_path_factory.mktemp("second"), steps=24, seed=8),
    )


@pytest.fixture
def model(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs[0], tmp_path / "model"))


def put(source: Path, target: Path) -> None:
    """Replace the model of a run by another's at once, as a run does when it writes its own."""
    fresh, former = target / ".fresh", target / ".former"
    shutil.copytree(source / "infer_model", fresh)
    os.rename(target / "infer_model", former)
    os.rename(fresh, target / "infer_model")
    shutil.rmtree(former)


def statuses(load: Load) -> set[int]:
    return {status for status, _ in load.answers}


def test_a_stop_under_load_answers_what_was_accepted(model: Path) -> None:
    with serving(model) as server:
        load, stop = Load(), threading.Event()
        clients = in_parallel(CLIENTS, lambda _: send_until(server.port, BODIES, stop, load))
        time.sleep(2)
        assert server.stop() == 0
        for client in clients:
            client.join(30)
            assert not client.is_alive()
    assert len(load.answers) > CLIENTS
    assert statuses(load) == {200}
    assert load.unanswered == []
    assert load.closed == 0
    assert not any("Traceback" in line for line in server.log)


def test_ctrl_c_stops_as_well(model: Path) -> None:
    with serving(model, "--tasks", "intent") as server:
        assert server.stop(signal.SIGINT) == 0


def test_a_reload_under_load_loses_nothing(model: Path, runs: tuple[Path, Path]) -> None:
    with serving(model) as server:
        load, stop = Load(), threading.Event()
        before = server.ask("/predict", BODIES[0])[1]["predictions"]
        clients = in_parallel(CLIENTS, lambda _: send_until(server.port, BODIES, stop, load))
        for number, source in enumerate((runs[1], runs[0], runs[1]), 1):
            put(source, model)
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 30
            while sum("reloaded:" in line for line in list(server.log)) < number and time.monotonic() < deadline:
                time.sleep(0.05)
        time.sleep(0.5)
        after = server.ask("/predict", BODIES[0])[1]["predictions"]
        stop.set()
        for client in clients:
            client.join(30)
        _, numbers, _ = server.ask("/metrics")
        assert server.stop() == 0
    assert before != after
    assert 'palm_reloads_total{outcome="loaded"} 3.0' in numbers
    assert statuses(load) == {200}
    assert load.unanswered == []
    found = {json.dumps(content["predictions"][0]["intent"]["label"]) for _, content in load.answers}
    assert found <= {'"air"', '"water"'}


@pytest.mark.parametrize("options", [[], ["--workers", "2"]])
def test_a_hangup_while_it_starts_ends_nothing_and_reloads(model: Path, options: list[str]) -> None:
    with serving(model, "--tasks", "intent", *options, when_started=_hang_up_early) as server:
        server.wait_for_log("reloaded:")
        assert server.ask("/predict", ONE)[0] == 200
        assert not any("another one starts" in line for line in server.log)
        assert server.stop() == 0


def _hang_up_early(process: int) -> None:
    """Send SIGHUP as soon as the process handles it, and to its workers a moment later."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        caught = Path(f"/proc/{process}/status").read_text(encoding="utf-8").partition("SigCgt:")[2].split()[0]
        if int(caught, 16) & 1 << (signal.SIGHUP - 1):
            break
        time.sleep(0.01)
    for _ in range(3):
        os.kill(process, signal.SIGHUP)
        time.sleep(0.3)


def test_a_folder_that_changes_is_loaded_and_a_broken_one_is_not(model: Path, runs: tuple[Path, Path]) -> None:
    with serving(model, "--reload", "--tasks", "intent") as server:
        before = server.ask("/predict", ONE)[1]["predictions"]
        put(runs[1], model)
        server.wait_for_log("reloaded:")
        after = server.ask("/predict", ONE)[1]["predictions"]
        assert before != after
        weights = model / "infer_model/model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
        os.utime(model / "infer_model/manifest.json")
        server.wait_for_log("reload refused, the earlier model answers:")
        assert server.ask("/predict", ONE)[1]["predictions"] == after
        shutil.rmtree(model)
        server.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert server.ask("/predict", ONE)[1]["predictions"] == after
        assert not any("Traceback" in line for line in server.log)
        assert server.stop() == 0


def test_workers_answer_together_and_one_that_dies_is_replaced(model: Path) -> None:
    with serving(model, "--workers", "2", "--tasks", "intent,slots") as server:
        load, stop = Load(), threading.Event()
        clients = in_parallel(8, lambda _: send_until(server.port, [BODIES[0]], stop, load))
        time.sleep(2)
        stop.set()
        for client in clients:
            client.join(30)
        assert statuses(load) == {200}
        assert load.unanswered == []
        _, numbers, _ = server.ask("/metrics")
        counted = next(line for line in numbers.splitlines() if line.startswith('palm_requests_total{path="/predict"'))
        assert float(counted.split()[-1]) == len(load.answers)
        workers = children_of(server.process.pid)
        assert len(workers) == 2
        shared = shared_folder_of(workers[0])
        assert list(shared.glob(f"gauge_live*_{workers[0]}.db"))
        os.kill(workers[0], signal.SIGKILL)
        server.wait_for_log("another one starts")
        assert list(shared.glob(f"gauge_live*_{workers[0]}.db")) == []  # its queue is not counted any more
        assert server.ask("/predict", BODIES[0])[0] == 200
        deadline = time.monotonic() + 30
        while len(children_of(server.process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("reloaded:")
        workers = children_of(server.process.pid)
        assert server.stop() == 0
        assert [worker for worker in workers if Path(f"/proc/{worker}").exists()] == []


def shared_folder_of(worker: int) -> Path:
    """The folder in which the workers count together."""
    variables = Path(f"/proc/{worker}/environ").read_bytes().decode().split("\0")
    name = "PROMETHEUS_MULTIPROC_DIR="
    return Path(next(each.removeprefix(name) for each in variables if each.startswith(name)))


def children_of(process: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            facts = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(facts[1]) == process and facts[0] != "Z":
            found.append(int(folder.name))
    return sorted(found)


def test_workers_that_cannot_start_say_why(model: Path) -> None:
    code, message = refused(model, "--workers", "2", "--port", "0", "--tasks", "nothing")
    assert code == 2
    assert "no task `nothing`" in message
    assert "Traceback" not in message


def test_a_port_that_is_taken(model: Path) -> None:
    with serving(model, "--tasks", "intent") as server:
        code, message = refused(model, "--port", str(server.port))
        assert code == 2
        assert "a free port" in message
