"""Splits records into training and dev rows: a pure function of their content, of a seed and of a fraction."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def dev_mask(
    groups: Sequence[str], strata: Sequence[str], *, fraction: float, seed: int, by_group_alone: bool = False
) -> "NDArray[np.bool_]":
    """Which records are dev rows: `bool[records]`.

    The order of the records does not matter, and records of the same group stay together. Every stratum gives the same
    fraction of its records, and keeps one for training at least.

    Args:
        groups: What records have in common that are not separated, such as their text.
        strata: The label of each record, or the same for all.
        fraction: Fraction of the records, above 0 and below 1.
        seed: Another one chooses other rows.
        by_group_alone: Choose by the group without regard to strata, so that data sets with the same texts are split
            alike.
    """
    ranks = [_rank(group, seed) for group in groups]
    if by_group_alone:
        return np.array([rank < fraction for rank in ranks], bool)
    members: defaultdict[str, list[int]] = defaultdict(list)
    for number, stratum in enumerate(strata):
        members[stratum].append(number)
    mask = np.zeros(len(groups), bool)
    for stratum, count in _counts({name: len(own) for name, own in members.items()}, fraction).items():
        ordered = sorted(members[stratum], key=lambda number: (ranks[number], groups[number]))
        chosen = ordered[:count]
        if chosen:  # the last group is not cut
            last = groups[chosen[-1]]
            chosen += [number for number in ordered[count:] if groups[number] == last]
        if len(chosen) < len(ordered):
            mask[chosen] = True
    return mask


def _rank(group: str, seed: int) -> float:
    """A number in [0, 1) for a group, as good as random."""
    digest = hashlib.sha256(f"{seed}\n{group}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _counts(sizes: dict[str, int], fraction: float) -> dict[str, int]:
    """How many of each stratum, in all the fraction rounded: those with the largest remainders are rounded up."""
    exact = {name: size * fraction for name, size in sizes.items()}
    counts = {name: int(share) for name, share in exact.items()}
    total = max(1, round(sum(sizes.values()) * fraction))
    for name in sorted(exact, key=lambda name: (counts[name] - exact[name], name)):
        if sum(counts.values()) < total and counts[name] < sizes[name] - 1:
            counts[name] += 1
    return {name: min(count, max(0, sizes[name] - 1)) for name, count in counts.items()}
