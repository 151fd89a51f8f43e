"""What tune.json in the folder of a search says: the trials of `palm tune`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

from palm.errors import CheckpointError
from palm.schema.saved_model import read_json_object
from palm.storage.layout import SEARCH_FILE

SearchValue = bool | int | float | str | list[object] | None
"""A value of a searched key, as YAML has it."""


class _Part(BaseModel):
    """What later versions add is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class SearchRange(_Part):
    """What was searched of a key.

    Attributes:
        choices: The values to choose from; None for a range.
        low: The least number of a range.
        high: The greatest one.
        log: Whether numbers are spread evenly over their logarithm.
    """

    choices: list[SearchValue] | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    log: bool = False


class SearchTrial(_Part):
    """A trial that has ended.

    Attributes:
        number: Its number, from 0.
        state: How it ended.
        values: Its values by key.
        folder: The folder of its run, or of those of its seeds, in that of the search.
        score: Its value; None if it was not complete.
        best_step: Global step of the best evaluation with the first seed.
        evaluations: Global step and value of each evaluation with the first seed.
        seconds: How long it took.
        reason: Why it failed; empty if it did not.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    values: Mapping[str, SearchValue]
    folder: str
    score: float | None = None
    best_step: int | None = None
    evaluations: list[list[float]] = []
    seconds: float = 0.0
    reason: str = ""

    @property
    def last_value(self) -> float | None:
        """Its score, or that of its last evaluation before it was pruned."""
        return self.score if self.score is not None else self.evaluations[-1][1] if self.evaluations else None


class SearchResults(_Part):
    """The results of a search.

    Attributes:
        metric: What trials are compared by.
        direction: Whether higher or lower is better.
        search: What was searched of each key.
        seeds: The seeds of each trial.
        best: Number of the best trial; None without a complete one.
        trials: The trials in the order of their numbers.
    """

    metric: str
    direction: Literal["maximize", "minimize"]
    search: Mapping[str, SearchRange]
    seeds: list[int]
    best: int | None = None
    trials: list[SearchTrial]

    @model_validator(mode="after")
    def _consistent(self) -> "SearchResults":
        if self.best is not None and (self.best_trial is None or self.best_trial.score is None):
            raise ValueError("best is the number of a complete trial")
        if any(len(each) != 2 for trial in self.trials for each in trial.evaluations):
            raise ValueError("an evaluation is a global step and a value")
        if any("/" in trial.folder or "\\" in trial.folder or trial.folder in ("", "..") for trial in self.trials):
            raise ValueError("the folder of a trial is in that of the search")
        return self

    @property
    def falls(self) -> bool:
        """Whether lower is better."""
        return self.direction == "minimize"

    @property
    def best_trial(self) -> SearchTrial | None:
        """The best trial; None without a complete one."""
        return next((trial for trial in self.trials if trial.number == self.best), None)


def read_search_results(folder: Path) -> SearchResults | None:
    """What tune.json in a folder says; None where there is none, as while the search goes on.

    Raises:
        CheckpointError: The file is damaged.
    """
    file = folder / SEARCH_FILE
    if not file.is_file():
        return None
    content = read_json_object(file)
    try:
        return SearchResults.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        rule = "holds the trials of a search as `palm tune` writes them"
        advice = "`palm tune … --resume` with as many trials as there are writes it again."
        raise CheckpointError(f"{file}: {rule}. Found `{place}`: {first['msg']}. {advice}") from error
