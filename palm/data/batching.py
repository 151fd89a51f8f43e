"""Assigns the examples of an epoch to batches."""

import numpy as np

from palm.data.dataset import IntArray
from palm.randomness import philox


def plan_batches(
    num_examples: int, *, batch_size: int, shuffle: bool, drop_last: bool, seed: int, task: str, epoch: int
) -> list[IntArray]:
    """Example indices of each batch of one epoch.

    A pure function of its arguments, so that resuming needs no saved state. A file with fewer examples than
    `batch_size` yields one batch.
    """
    order = philox(seed, "shuffle", task, epoch).permutation(num_examples) if shuffle else np.arange(num_examples)
    order = order.astype("int64")
    if drop_last and num_examples >= batch_size:
        order = order[: num_examples // batch_size * batch_size]
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


# Examples are sorted by length within pools of this many batches: enough to save padding, few enough to stay random.
_POOL = 50


def plan_by_length(
    lengths: IntArray, *, batch_size: int, drop_last: bool, seed: int, task: str, epoch: int
) -> list[IntArray]:
    """Shuffled batches of `batch_size` examples of similar length: as many as in `plan_batches`, of the same examples.

    A pure function of its arguments.
    """
    shuffled = np.concatenate(
        plan_batches(
            len(lengths), batch_size=batch_size, shuffle=True, drop_last=drop_last, seed=seed, task=task, epoch=epoch
        )
    )
    size = _POOL * batch_size
    pools = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    ordered = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
    batches = [pool[start : start + batch_size] for pool in ordered for start in range(0, len(pool), batch_size)]
    return _shuffled(batches, seed=seed, task=task, epoch=epoch)


def plan_by_tokens(
    lengths: IntArray, *, max_tokens: int, shuffle: bool, seed: int, task: str, epoch: int
) -> list[IntArray]:
    """Batches of at most `max_tokens` tokens, padding included, and at least one example; no example is dropped.

    With `shuffle`, each epoch permutes examples of equal length, and the batches; the number of batches is constant.
    A pure function of its arguments.
    """
    order = np.arange(len(lengths))
    if shuffle:
        order = philox(seed, "shuffle", task, epoch).permutation(len(lengths))
        order = order[np.argsort(lengths[order], kind="stable")]
    batches: list[IntArray] = []
    start, longest = 0, 0
    for end, length in enumerate(lengths[order]):
        longest = max(longest, int(length))
        if end > start and longest * (end - start + 1) > max_tokens:
            batches.append(order[start:end])
            start, longest = end, int(length)
    batches.append(order[start:])
    return _shuffled(batches, seed=seed, task=task, epoch=epoch) if shuffle else batches


def _shuffled(batches: list[IntArray], *, seed: int, task: str, epoch: int) -> list[IntArray]:
    return [batches[number] for number in philox(seed, "batches", task, epoch).permutation(len(batches))]
