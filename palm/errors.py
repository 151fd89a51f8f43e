"""The errors that users of PALM see. Each message gives the place, the rule, what was found, and what to do."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


class PalmError(Exception):
    """Base of every error that PALM raises on purpose; the command line prints it without a traceback."""

    exit_code: ClassVar[int] = 2
    """That of the command line."""


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


# Cyrillic, then Greek letters that look like Latin ones (Unicode TR39, confusables.txt).
_DOUBLES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406"
    "\u03bf\u03c1\u03bd\u03b1\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aeopcyxsijABEKMHOPCTXIopvaABEZHIKMNOPTYX",
)


def appearance(name: str) -> str:
    """A form that names have in common if they look the same."""
    shown = (" " if char.isspace() else char for char in unicodedata.normalize("NFKC", name))
    visible = "".join(char for char in shown if unicodedata.category(char) not in ("Cf", "Cc"))
    return visible.translate(_DOUBLES).strip()


def find_lookalike(name: str, choices: Iterable[str]) -> str | None:
    """The first of `choices` that looks like `name` and is another; None if there is none."""
    own = appearance(name)
    return next((choice for choice in choices if choice != name and appearance(choice) == own), None)


def invisible_difference(name: str, other: str) -> str:
    """`They look alike: `e` U+0065, U+0301 (COMBINING ACUTE ACCENT) is not …`, for two names that look the same."""
    spans = difflib.SequenceMatcher(None, name, other, autojunk=False).get_opcodes()
    parts = [(name[a:b], other[c:d]) for kind, a, b, c, d in spans if kind != "equal"]
    return f"They differ in {'; '.join(f'{_code_points(one)} and {_code_points(two)}' for one, two in parts)}."


def _code_points(text: str) -> str:
    """`U+0065 U+0301`; `nothing` for an empty text."""
    return " ".join(f"U+{ord(char):04X}" for char in text) or "nothing"


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`: a number with its noun, whose plural has an `s`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
