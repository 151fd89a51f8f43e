"""`palm train` in several processes: what is started, and what is refused."""

import sys
from types import SimpleNamespace

import pytest
import yaml

from palm.cli import train_ranks
from palm.cli.main import main
from palm.runtime import device
from tests.integration import tiny


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    made = tiny.config(folder, {"water": tiny.classification_task(folder, "water")}, use_gpu=True)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    return file


@pytest.fixture
def plans(monkeypatch):
    """The plans that the command starts; without any it trains in this process."""
    started = []
    monkeypatch.setattr(train_ranks, "launch", lambda plan: started.append(plan) or 7)
    controllers = SimpleNamespace(Controller=lambda *_, **__: SimpleNamespace(train=lambda **_: started.append("here")))
    monkeypatch.setattr("palm.cli.train.palm", controllers)
    for name in ("CUDA_VISIBLE_DEVICES", "PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device, "Path", lambda _: SimpleNamespace(glob=lambda _: iter(())))
    return started


def gpus(monkeypatch, count):
    """A machine whose Paddle sees `count` GPUs."""
    monkeypatch.setattr(train_ranks, "possible_gpus", lambda: count)
    monkeypatch.setattr(train_ranks, "usable_gpus", lambda: count)


def test_without_options_and_gpus_this_process_trains(config, plans):
    assert main(["train", str(config)]) == 0
    assert plans == ["here"]


def test_processes_on_the_cpu(config, plans, capsys):
    assert (
        main(["train", str(config), "--nproc", "2", "--num_epochs", "3", "--resume", "--tasks.water.batch_size=4"]) == 7
    )
    (plan,) = plans
    assert plan.command[0] == sys.executable
    start = plan.command.index("-m")
    own = ["train", str(config), "--task_dir=.", "--log=panel", "--resume=auto", "--num_epochs", "3"]
    own = [*own, "--tasks.water.batch_size=4"]
    assert plan.command[start:] == ["-m", "palm", *own]
    assert (plan.per_machine, plan.machines, plan.machine, plan.master) == (2, 1, 0, None)
    assert (plan.on_gpu, plan.rank_timeout, plan.max_restarts) == (False, 10.0, 0)
    assert plan.logs == config.parent / "out" / "ranks"
    assert plan.logs.is_dir()
    assert capsys.readouterr().out == f"Processes: 2, on the CPU. Output of rank 1: {plan.logs.as_posix()}\n"


def test_one_process_per_visible_gpu(config, plans, monkeypatch, capsys):
    gpus(monkeypatch, 3)
    assert main(["train", str(config)]) == 7
    assert (plans[0].per_machine, plans[0].on_gpu) == (3, True)
    assert capsys.readouterr().out.startswith("Processes: 3, one per GPU. Output of ranks 1, 2: ")


@pytest.mark.parametrize(
    ("words", "processes", "on_gpu"),
    [(["--nproc", "2"], 2, True), (["--use_gpu", "false", "--nproc", "4"], 4, False)],
)
def test_fewer_processes_than_gpus_or_none_of_them(config, plans, monkeypatch, words, processes, on_gpu):
    gpus(monkeypatch, 3)
    assert main(["train", str(config), *words]) == 7
    assert (plans[0].per_machine, plans[0].on_gpu) == (processes, on_gpu)


@pytest.mark.parametrize("words", [["--nproc", "1"], ["--use_gpu", "false"]])
def test_one_process_although_there_are_gpus(config, plans, monkeypatch, words):
    gpus(monkeypatch, 3)
    assert main(["train", str(config), *words]) == 0
    assert plans == ["here"]


def test_a_gpu_that_paddle_cannot_use_is_none(config, plans, monkeypatch):
    gpus(monkeypatch, 3)
    monkeypatch.setattr(train_ranks, "usable_gpus", lambda: 0)
    assert main(["train", str(config)]) == 0
    assert plans == ["here"]


def test_a_single_process_with_restarts_is_supervised(config, plans):
    assert main(["train", str(config), "--max_restarts", "2"]) == 7
    assert (plans[0].per_machine, plans[0].max_restarts) == (1, 2)


def test_machines(config, plans, capsys):
    words = ["--nnodes", "2", "--node_rank", "1", "--master", "localhost:29500", "--nproc", "2", "--rank_timeout", "4"]
    assert main(["train", str(config), *words]) == 7
    (plan,) = plans
    assert (plan.machines, plan.machine, plan.master, plan.rank_timeout) == (2, 1, ("127.0.0.1", 29500), 4.0)
    assert (
        "Processes: 2, on the CPU on machine 1 of 2 (ranks 2 to 3 of 4). Output of rank 3: " in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--master", "a:1"],
            "--master: it belongs to --nnodes, with 2 machines or more. Add --nnodes, or leave it out.",
        ),
        (["--nnodes", "1", "--node_rank", "0"], "--node_rank: it belongs to --nnodes, with 2 machines or more."),
        (["--nnodes", "2"], "--node_rank, --master: with --nnodes 2 each machine is given its number (--node_rank)"),
        (
            ["--nnodes", "2", "--node_rank", "2", "--master", "a:1"],
            "--node_rank: the machines are numbered from 0 to 1.",
        ),
        (
            ["--nnodes", "2", "--node_rank", "1", "--master", "a"],
            "--master: an IPv4 address or a host name, and a port,",
        ),
        (["--nproc", "0"], "--nproc: a whole number of at least 1 is expected. Found `0`"),
        (["--nproc", "two"], "--nproc: a whole number of at least 1 is expected. Found `two`"),
        (["--max_restarts", "-1"], "--max_restarts: a whole number of at least 0 is expected. Found `-1`"),
        (["--rank_timeout", "0.5"], "--rank_timeout: a number of seconds, at least 1, is expected. Found `0.5`"),
        (["--rank_timeout", "nan"], "--rank_timeout: a number of seconds, at least 1, is expected. Found `nan`"),
        (["--nproc", "2", "--num_epoch", "3"], "num_epoch"),
    ],
)
def test_what_is_wrong_is_said_once_and_nothing_starts(config, plans, capsys, words, message):
    assert main(["train", str(config), *words]) == 2
    assert message in capsys.readouterr().err
    assert plans == []


def test_more_processes_than_gpus_are_refused(config, plans, monkeypatch, capsys):
    gpus(monkeypatch, 2)
    assert main(["train", str(config), "--nproc", "3"]) == 2
    rule = "--nproc: on GPUs each process has one of its own, and 2 GPUs can be used here. Found 3. Give at most 2"
    assert rule in capsys.readouterr().err


def test_a_rank_only_trains_even_on_a_machine_with_gpus(config, plans, monkeypatch):
    gpus(monkeypatch, 2)
    monkeypatch.setenv("PADDLE_TRAINER_ID", "1")
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    assert main(["train", str(config)]) == 0
    assert plans == ["here"]


def test_a_rank_does_not_start_others(config, plans, monkeypatch, capsys):
    monkeypatch.setenv("PADDLE_TRAINER_ID", "1")
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    assert main(["train", str(config), "--nproc", "2"]) == 2
    assert "--nproc: this process is rank 1 of 2 already, as PADDLE_TRAINER_ID in" in capsys.readouterr().err


def test_a_timeout_without_other_processes_is_said_to_have_no_effect(config, plans, capsys):
    assert main(["train", str(config), "--rank_timeout", "5"]) == 0
    assert capsys.readouterr().err == "Warning: --rank_timeout has no effect: this run is a single process.\n"
