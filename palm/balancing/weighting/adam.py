"""Numbers that a weighting learns, one per task: Adam on a single float, with its state next to the number."""

import math

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def adam_step(learned: dict[str, float], name: str, gradient: float, *, rate: float) -> None:
    """Update `learned[name]` with `gradient`. Source: arXiv:1412.6980, algorithm 1.

    Args:
        learned: Contains the number; also stores the moments of its gradients and their count.
        name: Name of the number.
        gradient: Gradient of the number in this step.
        rate: The learning rate.
    """
    mean, square, count = (f"{name}.{slot}" for slot in ("mean", "square", "count"))
    learned[mean] = BETA1 * learned.get(mean, 0.0) + (1 - BETA1) * gradient
    learned[square] = BETA2 * learned.get(square, 0.0) + (1 - BETA2) * gradient * gradient
    learned[count] = learned.get(count, 0.0) + 1
    root = math.sqrt(learned[square] / (1 - BETA2 ** learned[count]))
    learned[name] -= rate * learned[mean] / (1 - BETA1 ** learned[count]) / (root + EPSILON)
