"""Which examples make up which batch of an epoch."""

import numpy as np

from palm.dataset import IntArray
from palm.randomness import philox


def plan_batches(
    num_examples: int, *, batch_size: int, shuffle: bool, drop_last: bool, seed: int, task: str, epoch: int
) -> list[IntArray]:
    """Example numbers of each batch of one epoch.

    A pure function of its arguments, so that nothing has to be saved to resume. A file with fewer examples than
    `batch_size` still makes one batch.
    """
    order = philox(seed, "shuffle", task, epoch).permutation(num_examples) if shuffle else np.arange(num_examples)
    order = order.astype("int64")
    if drop_last and num_examples >= batch_size:
        order = order[: num_examples // batch_size * batch_size]
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
