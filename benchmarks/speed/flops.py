"""Operations of the matrix products of an encoder, and the share of the machine's peak that a rate of examples is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.speed.peak import Peak
from benchmarks.speed.side_by_side import Timings


def encoder_operations(backbone_config: Mapping[str, Any], lengths: Sequence[int], *, training: bool) -> float:
    """Operations of an example on average, each multiplication and addition counted; padding and heads are not.

    Args:
        backbone_config: config.json of a BERT.
        lengths: Tokens of each example.
        training: The backward pass has two products for each one of the forward pass.
    """
    hidden, inner = backbone_config["hidden_size"], backbone_config["intermediate_size"]
    of_a_token = 2 * (4 * hidden * hidden + 2 * hidden * inner)
    of_a_pair = 4 * hidden  # scores, and the weighted sum of values
    whole = sum(length * of_a_token + length**2 * of_a_pair for length in lengths) / len(lengths)
    return float(backbone_config["num_hidden_layers"] * whole * (3 if training else 1))


@dataclass(frozen=True)
class Shares:
    """The share of the peak of each participant.

    Attributes:
        peak: Of this machine.
        operations: Of an example.
    """

    peak: Peak
    operations: float

    def peak_of(self, name: str) -> float | None:
        """The peak of the precision that a participant's name tells; None where it is not known.

        Products at precision "medium" are in bf16 where there are AMX tiles.
        """
        if "int8" in name:
            return self.peak.get("int8")
        if "bf16" in name or "medium" in name:
            return self.peak.get("bf16")
        return self.peak.get("float32")

    def of(self, name: str, timings: Timings) -> float:
        """Operations per second over the peak; 0 where that is not known."""
        return timings.rate() * self.operations / peak if (peak := self.peak_of(name)) else 0.0

    def cell(self, name: str, timings: Timings) -> str:
        """The share in percent, for a table."""
        return f"{100 * self.of(name, timings):.1f}" if self.peak_of(name) else "–"
