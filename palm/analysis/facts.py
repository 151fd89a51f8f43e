"""What the parts of an analysis have in common: each is written as JSON, and read again."""

from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """A part of an analysis; numbers that JSON lacks (NaN, Inf) do not occur."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Scores(Facts):
    """How well one class is found.

    Attributes:
        name: The class, label or type of spans.
        precision: Of what was predicted as it, the fraction that is right; 0 where nothing was.
        recall: Of what is it, the fraction that was found; 0 where nothing is.
        f1: The harmonic mean of both.
        support: How often it is gold.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
