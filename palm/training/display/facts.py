"""Facts about a run, as its panel and its table in a notebook say them, in the language of the user."""

from collections.abc import Iterator
from dataclasses import dataclass

from palm.errors import counted
from palm.locale.current import translated_phrase


@dataclass(frozen=True)
class RunHeader:
    """What a run is.

    Attributes:
        title: Its name.
        tasks: The number of its tasks.
        rows: Training examples of all tasks.
        steps: Global steps.
        encoder: Name of the encoder.
        parameters: Numbers that the model holds.
        device: What computes, `CPU`.
        threads: Threads of a CPU; 0 elsewhere.
        precision: What products are computed in.
        processes: Processes that train it.
        log: Path of its log.
    """

    title: str
    tasks: int
    rows: int
    steps: int
    encoder: str
    parameters: int
    device: str
    threads: int
    precision: str
    processes: int
    log: str


def header_facts(header: RunHeader, seconds: float | None) -> Iterator[str]:
    """`3 tasks × 2,400 rows × 405 steps`, `minilm-l6-en`, `22.7 M parameters`, `CPU, 2 threads`, `float32`.

    Args:
        header: What the run is.
        seconds: How long all of it is expected to take; None while that is unknown.
    """
    yield translated_phrase(f"{counted(header.tasks, 'task')} × {header.rows:,} rows × {header.steps:,} steps")
    yield header.encoder
    count = header.parameters
    yield translated_phrase(f"{count / 1e6:,.1f} M parameters" if count >= 1e5 else f"{count:,} parameters")
    processes = f"{header.processes} processes, " if header.processes > 1 else ""
    threads = f", {counted(header.threads, 'thread')}" if header.threads else ""
    yield translated_phrase(f"{processes}{header.device}{threads}")
    yield header.precision
    if seconds is not None:
        yield translated_phrase(about(seconds))


def duration(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def about(seconds: float) -> str:
    """`less than a minute`, `about 3 minutes`, `about 2 h 10 min`."""
    minutes = round(seconds / 60)
    if seconds < 50:
        return "less than a minute"
    if minutes < 90:
        return f"about {minutes} min"
    hours, left = divmod(round(minutes / 10) * 10, 60)
    return f"about {hours} h {left} min" if left else f"about {hours} h"
