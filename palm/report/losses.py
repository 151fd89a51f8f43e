"""The loss of a training step as `metrics.jsonl` has it: as it is, and over that of the task's first batch."""

import math

from palm.engine.run import StepResult


def loss_figures(result: StepResult) -> dict[str, float | None]:
    """`loss` and `loss_normalised`, which begins at 1 for every task; None for what is no number."""
    figures = {"loss": result.loss, "loss_normalised": result.normalised_loss}
    return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}
