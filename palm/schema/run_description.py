"""What run.json in a run's folder says: the facts of a run that its configuration and its metrics do not hold."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from palm.errors import CheckpointError
from palm.schema.saved_model import read_json_object
from palm.storage.layout import FACTS_FILE


class _Part(BaseModel):
    """What later versions add is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LengthStatistics(_Part):
    """How long the examples of a data set are, in subword tokens with special ones.

    Attributes:
        shortest: Of the shortest one.
        mean: On average.
        median: Of the middle one.
        most: 95 % are not longer.
        longest: Of the longest one.
        bounds: Bounds of equal ranges, one more than `counts`.
        counts: Examples in each range.
    """

    shortest: int
    mean: float
    median: float
    most: float
    longest: int
    bounds: tuple[float, ...]
    counts: tuple[int, ...]


class DataStatistics(_Part):
    """What a data set holds.

    Attributes:
        rows: Its rows.
        examples: Its examples: rows, or windows of them.
        lengths: Lengths of the examples; None without any.
        labels: Label → how often it occurs in the counted rows, the most frequent first.
        counted_rows: How many rows the labels were counted in: all, or as many evenly spread ones.
    """

    rows: int
    examples: int
    lengths: LengthStatistics | None = None
    labels: Mapping[str, int] = {}
    counted_rows: int = 0


class TaskDescription(_Part):
    """A task of a run.

    Attributes:
        reader: Registered name of its reader.
        paradigm: Registered name of its paradigm.
        target: Whether it is exported.
        mix_ratio: The key `mix_ratio`.
        asked: The fraction of steps that the sampler is to give it, at its beginning.
        expected_steps: Its expected steps.
        steps_per_epoch: Batches in one pass over its rows.
        train: Its training data.
        dev: Its dev data, if any.
    """

    reader: str = ""
    paradigm: str = ""
    target: bool = True
    mix_ratio: float = 1.0
    asked: float
    expected_steps: int
    steps_per_epoch: int
    train: DataStatistics | None = None
    dev: DataStatistics | None = None


class ValueOrigin(_Part):
    """Where a value of the configuration comes from.

    Attributes:
        key: The key, `tasks.<name>.<key>` for a task's.
        where: `file:line`, the command line, or `default`.
        overridden: Overridden values, each with its source; empty if there are none.
    """

    key: str
    where: str
    overridden: str = ""


class RunDescription(_Part):
    """What is known at the beginning of a run.

    Attributes:
        palm_version: The version of PALM that trains it.
        started: When it was started or last resumed, ISO 8601 with time zone.
        command: The command line; empty if a program trains it.
        stage: Name of the stage; empty if there are no stages.
        backbone: Registered name of the backbone.
        parameters: Number of parameters of the model.
        device: Paddle's name of the device.
        precision: What products are computed in.
        threads: Threads of each process.
        processes: Number of processes.
        total_steps: Its global steps, unless it stops early.
        tasks: The tasks, in order.
        origins: Where each value of the configuration comes from.
    """

    palm_version: str
    started: str
    command: tuple[str, ...] = ()
    stage: str = ""
    backbone: str = ""
    parameters: int = 0
    device: str = ""
    precision: str = ""
    threads: int = 0
    processes: int = 1
    total_steps: int = 0
    tasks: Mapping[str, TaskDescription] = {}
    origins: tuple[ValueOrigin, ...] = ()


def read_description(folder: Path) -> RunDescription | None:
    """What run.json in a run's folder says; None without one, as in runs of trainers and of earlier versions.

    Raises:
        CheckpointError: The file is damaged.
    """
    file = folder / FACTS_FILE
    if not file.is_file():
        return None
    content = read_json_object(file)
    try:
        return RunDescription.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        rule = "describes a run as PALM writes it at its beginning"
        advice = "Remove the file: the report then leaves out what it says."
        raise CheckpointError(f"{file}: {rule}. Found `{place}`: {first['msg']}. {advice}") from error
