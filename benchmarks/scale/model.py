"""A model of step times on many GPUs, from the measured sizes of messages; nothing of it was run on a GPU.

A step is the computation of a process and one sum over all of them, which a ring does in 2 (n - 1) messages of a n-th
of the gradients (Patarasu and Yuan, 2009). Nothing overlaps here, as in what was measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROCESSES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Link:
    """What connects two neighbours of the ring.

    Attributes:
        name: Its name in the plot.
        bytes_per_second: In one direction.
        latency: Seconds of a message without content.
    """

    name: str
    bytes_per_second: float
    latency: float


# 25 Gb/s Ethernet, and a direction of the twelve NVLink 3 links of an A100 (NVIDIA's data sheet: 600 GB/s both ways).
LINKS = (Link("25 Gb/s Ethernet", 25e9 / 8, 30e-6), Link("NVLink 3", 300e9, 5e-6))

ASSUMED_FLOPS = 60e12
"""Of a GPU that reaches a fifth of an A100's 312 TFLOP/s in bfloat16: assumed, not measured."""


def exchange_seconds(size: float, processes: int, link: Link) -> float:
    """Seconds of a sum of `size` bytes over a ring."""
    if processes == 1:
        return 0.0
    messages = 2 * (processes - 1)
    return messages * (size / processes / link.bytes_per_second + link.latency)


def computing_seconds(parameters: float, tokens: float) -> float:
    """Seconds of forward and backward of a batch of a process: six operations per parameter and token."""
    return 6 * parameters * tokens / ASSUMED_FLOPS


def rows(measured: Sequence[Mapping[str, Any]], *, batch: int, tokens: int) -> list[dict[str, Any]]:
    """Step time and speed against one process, for each size, link and number of processes.

    Args:
        measured: Results of `benchmarks.scale.speed` with two processes.
        batch: Rows of each process.
        tokens: Tokens of a row.
    """
    found = []
    for result in measured:
        # Embeddings are looked up, not multiplied.
        computing = computing_seconds((result["model"] - result["table"]) / 4, batch * tokens)
        for link in LINKS:
            for processes in PROCESSES:
                step = computing + exchange_seconds(result["bytes"], processes, link)
                speed = processes * computing / step
                found.append(
                    {"size": result["size"], "link": link.name, "processes": processes, "step": step, "speed": speed}
                )
    return found


def plot(modelled: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draw examples per second against those of one process, labelled as a model."""
    import matplotlib  # noqa: PLC0415 (of the extra `bench`)

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "palm"
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.plot(PROCESSES, PROCESSES, color="lightgrey", label="ideal")
    for size, link in sorted({(row["size"], row["link"]) for row in modelled}):
        own = [row for row in modelled if (row["size"], row["link"]) == (size, link)]
        style = "--" if "Ethernet" in link else "-"
        axes.plot(
            [row["processes"] for row in own], [row["speed"] for row in own], style, marker="o", label=f"{size}, {link}"
        )
    axes.set(xscale="log", yscale="log", xlabel="GPUs", ylabel="times the examples/s of one")
    axes.set_xticks(PROCESSES, [str(number) for number in PROCESSES])
    axes.set_yticks(PROCESSES, [str(number) for number in PROCESSES])
    axes.set_title("A model, not a measurement: computation assumed, message sizes measured")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
