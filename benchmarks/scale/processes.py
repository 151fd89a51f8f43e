"""Starts processes that compute together, by Paddle's own environment variables, and waits for them."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """The processes of a run.

    Attributes:
        processes: One per rank.
        logs: The output of each.
    """

    processes: list["subprocess.Popen[bytes]"]
    logs: list[Path]

    def wait(self, seconds: float) -> None:
        """Wait for the end of all.

        Raises:
            RuntimeError: One failed, or they take longer; all are ended then.
        """
        try:
            codes = [process.wait(seconds) for process in self.processes]
        except subprocess.TimeoutExpired:
            codes = ["still running"]
        finally:
            for process in self.processes:
                process.kill()
        if any(codes):
            output = "\n".join(
                f"rank {n}: {log.read_text(errors='replace')[-3000:]}" for n, log in enumerate(self.logs)
            )
            raise RuntimeError(f"exit codes {codes}\n{output}")


def start(words: Sequence[str], *, count: int, logs: Path, threads: int = 1) -> Started:
    """Start `python -m …` with these words as `count` ranks, or as one process that knows of no ranks.

    Args:
        words: A module, and its arguments.
        count: Number of processes.
        logs: Folder for their output.
        threads: Threads of each.
    """
    logs.mkdir(parents=True, exist_ok=True)
    files = [logs / f"{words[0]}.{count}.{index}.log" for index in range(count)]
    processes = []
    for file, environment in zip(files, environments(count), strict=True):
        everything = {**os.environ, "OMP_NUM_THREADS": str(threads), "GLOG_minloglevel": "2", **environment}
        with file.open("wb") as output:
            processes.append(
                subprocess.Popen([sys.executable, "-m", *words], stdout=output, stderr=output, env=everything)
            )
    return Started(processes, files)


def environments(count: int) -> list[dict[str, str]]:
    if count == 1:
        return [{}]
    ports = [_free_port() for _ in range(count + 1)]
    ends = ",".join(f"127.0.0.1:{port}" for port in ports[1:])
    return [
        {
            "PADDLE_TRAINER_ID": str(index),
            "PADDLE_TRAINERS_NUM": str(count),
            "PADDLE_CURRENT_ENDPOINT": f"127.0.0.1:{ports[1 + index]}",
            "PADDLE_TRAINER_ENDPOINTS": ends,
            "PADDLE_MASTER": f"127.0.0.1:{ports[0]}",
            "PADDLE_DISTRI_BACKEND": "gloo",
        }
        for index in range(count)
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
