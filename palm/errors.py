"""The errors that users of PALM see. Each message gives the place, the rule, what was found, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass


class PalmError(Exception):
    """Base of every error that PALM raises on purpose; the command line prints it without a traceback."""


@dataclass(frozen=True)
class Problem:
    """One problem: its place and what to do about it.

    Attributes:
        where: `file:line`, a key path such as `tasks.mrqa.batch_size`, or a flag such as `--batch_size`.
        message: The rule, what was found, and what to do, in that order.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class _Problems(PalmError):
    """An error with all problems of its kind."""

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(_Problems):
    """All problems of a configuration: keys, types, wiring, file paths."""


class DataError(_Problems):
    """All problems of a data file, each with `file:line`."""


class RegistryError(PalmError):
    """A reader, backbone, paradigm or other component that is not registered."""


class CheckpointError(PalmError):
    """Weights, checkpoints or inference models that are missing, damaged or do not fit."""


class TrainingError(PalmError):
    """Training that cannot continue, such as after a loss or gradient that is not finite."""


class DownloadError(PalmError):
    """A download that failed, is damaged, or was refused."""
