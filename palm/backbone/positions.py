"""Positions start at 0 in PALM; in RoBERTa's and MPNet's tables, they start behind rows that no token uses."""

from collections.abc import Mapping
from typing import Protocol

POSITIONS = "max_position_embeddings"


class CountsPositions(Protocol):
    """A backbone that knows the first position of an encoder of transformers."""

    def first_position(self, config: Mapping[str, object]) -> int:
        """The first row of the position table that a token uses."""
        ...


def keys_from_zero(backbone: CountsPositions, config: Mapping[str, object]) -> dict[str, object]:
    """`max_position_embeddings` without the rows that no token uses."""
    rows = config.get(POSITIONS)
    return {POSITIONS: rows - backbone.first_position(config)} if type(rows) is int else {}
