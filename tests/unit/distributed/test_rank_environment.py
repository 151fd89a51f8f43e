"""What a rank finds in its environment."""

import os

import pytest

from palm.distributed import rank_environment as ranks
from palm.distributed.rank_environment import RankPlace, rank_environment

PORTS = [4001, 4002]


def environment(place=None, given=None, on_gpu=False, master="127.0.0.1:29500"):
    place = place or RankPlace(index=1, local=1, machines=1, per_machine=2)
    return rank_environment(given or {}, place, master=master, address="127.0.0.1", ports=PORTS, on_gpu=on_gpu)


def test_a_rank_of_one_machine_has_what_paddles_launch_module_sets():
    """The names and values that Paddle 3.3's CollectiveController sets for `--nproc_per_node 2`."""
    found = environment()
    assert {name: value for name, value in found.items() if name.startswith("PADDLE_")} == {
        "PADDLE_MASTER": "127.0.0.1:29500",
        "PADDLE_GLOBAL_SIZE": "2",
        "PADDLE_LOCAL_SIZE": "2",
        "PADDLE_GLOBAL_RANK": "1",
        "PADDLE_LOCAL_RANK": "1",
        "PADDLE_NNODES": "1",
        "PADDLE_CURRENT_ENDPOINT": "127.0.0.1:4002",
        "PADDLE_TRAINER_ID": "1",
        "PADDLE_TRAINERS_NUM": "2",
        "PADDLE_RANK_IN_NODE": "1",
        "PADDLE_TRAINER_ENDPOINTS": "127.0.0.1:4001,127.0.0.1:4002",
        "PADDLE_DISTRI_BACKEND": "gloo",
    }
    assert found["GLOO_SOCKET_IFNAME"] == "lo"
    assert "FLAGS_selected_gpus" not in found


def test_a_rank_of_the_second_machine_counts_those_of_the_first():
    found = environment(RankPlace(index=3, local=1, machines=2, per_machine=2))
    assert (found["PADDLE_TRAINER_ID"], found["PADDLE_LOCAL_RANK"], found["PADDLE_TRAINERS_NUM"]) == ("3", "1", "4")
    assert found["PADDLE_TRAINER_ENDPOINTS"].split(",")[2:] == ["127.0.0.1:4001", "127.0.0.1:4002"]
    assert len(found["PADDLE_TRAINER_ENDPOINTS"].split(",")) == 4


def test_on_gpus_each_rank_has_one_of_those_that_are_visible():
    found = environment(on_gpu=True, given={"CUDA_VISIBLE_DEVICES": "2,5"})
    assert found["FLAGS_selected_gpus"] == "1", "an index into CUDA_VISIBLE_DEVICES, which stays"
    assert found["CUDA_VISIBLE_DEVICES"] == "2,5"
    assert "PADDLE_DISTRI_BACKEND" not in found, "Paddle takes NCCL"


def test_what_the_user_set_stays_except_another_master():
    given = {"GLOO_SOCKET_IFNAME": "eth7", "OMP_NUM_THREADS": "3", "MASTER_ADDR": "10.0.0.9", "MASTER_PORT": "1"}
    found = environment(given={**given, "PADDLE_TRAINER_ID": "7"})
    assert (found["GLOO_SOCKET_IFNAME"], found["OMP_NUM_THREADS"]) == ("eth7", "3")
    assert found["PADDLE_TRAINER_ID"] == "1"
    assert not {"MASTER_ADDR", "MASTER_PORT"} & set(found), "Paddle prefers them to PADDLE_MASTER"


@pytest.mark.parametrize(
    ("given", "index", "count", "several"),
    [
        ({}, 0, 1, False),
        ({"PADDLE_TRAINERS_NUM": "1"}, 0, 1, False),
        ({"PADDLE_TRAINERS_NUM": "x"}, 0, 1, False),
        ({"PADDLE_TRAINER_ID": "1", "PADDLE_TRAINERS_NUM": "2"}, 1, 2, True),
    ],
)
def test_a_process_knows_whether_it_is_a_rank(monkeypatch, given, index, count, several):
    for name in ("PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert (ranks.rank_index(), ranks.rank_count(), ranks.is_rank()) == (index, count, several)


def test_a_process_is_supervised_by_its_own_parent_alone(monkeypatch):
    monkeypatch.setenv(ranks.SUPERVISOR, str(os.getppid()))
    assert ranks.is_supervised()
    monkeypatch.setenv(ranks.SUPERVISOR, "1" if os.getppid() != 1 else "2")
    assert not ranks.is_supervised()


@pytest.mark.parametrize(("given", "seconds"), [(None, 10.0), ("2.5", 2.5), ("soon", 10.0)])
def test_the_timeout_of_a_rank(monkeypatch, given, seconds):
    monkeypatch.delenv(ranks.TIMEOUT, raising=False)
    if given:
        monkeypatch.setenv(ranks.TIMEOUT, given)
    assert ranks.rank_timeout() == seconds
