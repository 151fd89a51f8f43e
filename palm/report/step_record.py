"""A training step as `metrics.jsonl` has it, with the loss as it is and over that of the task's first batch."""

import math

from palm.engine.run import StepResult


def step_record(result: StepResult) -> dict[str, object]:
    """What the Controller and the trainers both record of a step."""
    return {
        "split": "train",
        "global_step": result.global_step,
        "task": result.task,
        "step": result.step,
        "epoch": result.epoch,
        **loss_figures(result),
        "learning_rate": result.learning_rate,
    }


def loss_figures(result: StepResult) -> dict[str, float | None]:
    """`loss` and `loss_normalised`, which begins at 1 for every task; None for what is no number."""
    figures = {"loss": result.loss, "loss_normalised": result.normalised_loss}
    return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}
