"""The environment variables of a rank: Paddle's own, as its launch module sets them, and what that leaves out."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palm.distributed.network import INTERFACE, interface_towards

RANK, COUNT = "PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM"
TIMEOUT = "PALM_RANK_TIMEOUT"
DEFAULT_TIMEOUT = 10.0
"""Seconds within which a rank that does not answer is named."""

EXIT_LOST = 3
"""Exit code of a rank that stops because another one was lost."""

REPORTS = "PALM_RANK_REPORTS"
"""Folder in which ranks and their supervisor leave notes for each other: see `palm.distributed.reports`."""

SUPERVISOR = "PALM_RANK_SUPERVISOR"
"""Process id of the supervisor, by which a process that `palm train` has started knows it."""

# These would win over PADDLE_MASTER: clusters set them for PyTorch.
_OTHER_MASTERS = ("MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class RankPlace:
    """Where a rank is.

    Attributes:
        index: Its number in the run.
        local: Its number on this machine.
        machines: Number of machines.
        per_machine: Ranks on each of them.
    """

    index: int
    local: int
    machines: int
    per_machine: int

    @property
    def count(self) -> int:
        """Ranks of the run."""
        return self.machines * self.per_machine


def is_rank() -> bool:
    """Whether this process is one of several ranks, whoever started it."""
    return rank_count() > 1


def is_supervised() -> bool:
    """Whether `palm train` started this process, alone or as one of several."""
    return os.environ.get(SUPERVISOR) == str(os.getppid())


def rank_index() -> int:
    """The number of this process in its run; 0 where it is the only one."""
    return _number(RANK, 0) if is_rank() else 0


def rank_count() -> int:
    """Processes of this run."""
    return _number(COUNT, 1)


def rank_timeout() -> float:
    """Seconds after which a silent rank is given up: `--rank_timeout`."""
    try:
        return max(float(os.environ.get(TIMEOUT, "")), 0.1)
    except ValueError:
        return DEFAULT_TIMEOUT


def rank_environment(
    environment: Mapping[str, str], place: RankPlace, *, master: str, address: str, ports: Sequence[int], on_gpu: bool
) -> dict[str, str]:
    """The environment of one rank.

    Args:
        environment: That of the supervisor; what the user set about threads, backend, GPU log and interface stays.
        place: Which rank it is.
        master: `address:port` of the store of all ranks.
        address: Address of this machine as the others see it.
        ports: A port per rank of this machine, for its endpoint.
        on_gpu: Whether rank i computes on the i-th visible GPU.
    """
    given = {name: value for name, value in environment.items() if name not in _OTHER_MASTERS}
    index, local = str(place.index), str(place.local)
    own = {
        RANK: index,
        COUNT: str(place.count),
        "PADDLE_MASTER": master,
        "PADDLE_CURRENT_ENDPOINT": f"{address}:{ports[place.local]}",
        "PADDLE_TRAINER_ENDPOINTS": ",".join(_endpoints(place, address, ports)),
        "PADDLE_GLOBAL_RANK": index,
        "PADDLE_GLOBAL_SIZE": str(place.count),
        "PADDLE_LOCAL_RANK": local,
        "PADDLE_LOCAL_SIZE": str(place.per_machine),
        "PADDLE_RANK_IN_NODE": local,
        "PADDLE_NNODES": str(place.machines),
    }
    device = {"FLAGS_selected_gpus": local} if on_gpu else {"PADDLE_DISTRI_BACKEND": "gloo"}
    interface = interface_towards(master.rpartition(":")[0])
    # Paddle's C++ reports each connection on stderr, from level 0 on.
    chosen = {"GLOG_minloglevel": "1", **({INTERFACE: interface} if interface else {})}
    return {**chosen, **given, **own, **device}


def _endpoints(place: RankPlace, address: str, ports: Sequence[int]) -> list[str]:
    """One per rank. Paddle connects ranks by the store alone, so those of other machines are only names."""
    first = place.index - place.local
    own = {first + local: f"{address}:{port}" for local, port in enumerate(ports)}
    return [own.get(index, f"rank-{index}:1") for index in range(place.count)]


def _number(name: str, default: int) -> int:
    given = os.environ.get(name, "")
    return int(given) if given.isdecimal() else default
