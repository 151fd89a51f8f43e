"""What encoder layers of the tasks' own cost."""

from collections.abc import Mapping, Sequence

_BYTES = 16  # of a trained parameter: the weight, its gradient and two moments, in float32


def copies_line(parameters: Mapping[str, int]) -> Sequence[str]:
    """A line that names the cost; none where no task has such layers.

    Args:
        parameters: How many parameters each head's own encoder layers have.
    """
    total = sum(parameters.values())
    if not total:
        return []
    owners = ", ".join(f"{head} {_millions(count)}" for head, count in parameters.items() if count)
    memory = f"{total * _BYTES / 1e6:,.0f} MB more memory in training (weights, gradients, two moments)"
    return [f"Encoder layers of the tasks' own: {_millions(total)} parameters ({owners}), {memory}."]


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} M"
