"""Numbers that a weighting learns, one a task: Adam on a single float, its slots beside the number."""

import math

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def adam_step(learned: dict[str, float], name: str, gradient: float, *, rate: float) -> None:
    """Move `learned[name]` against `gradient`. Source: arXiv:1412.6980, algorithm 1.

    Args:
        learned: Holds the number; the mean and the square of its gradients and their count go there as well.
        name: Of the number.
        gradient: What the number's gradient is in this step.
        rate: The learning rate.
    """
    mean, square, count = (f"{name}.{slot}" for slot in ("mean", "square", "count"))
    learned[mean] = BETA1 * learned.get(mean, 0.0) + (1 - BETA1) * gradient
    learned[square] = BETA2 * learned.get(square, 0.0) + (1 - BETA2) * gradient * gradient
    learned[count] = learned.get(count, 0.0) + 1
    root = math.sqrt(learned[square] / (1 - BETA2 ** learned[count]))
    learned[name] -= rate * learned[mean] / (1 - BETA1 ** learned[count]) / (root + EPSILON)
