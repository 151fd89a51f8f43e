"""What a table says about a race."""

from collections.abc import Mapping, Sequence

from benchmarks.speed.results import Goal, table
from benchmarks.speed.side_by_side import Timings, ratio

Race = Mapping[str, Timings]


def speed_table(race: Race, against: Sequence[str]) -> str:
    """Time a step, examples a second, peak memory, and how many times faster than each of `against`."""
    present = [name for name in against if name in race]
    header = ["", "ms a step", "examples/s", *(f"× {name}" for name in present), "peak GB"]
    rows = []
    for name, timings in race.items():
        ratios = [f"{ratio(timings, race[other]):.2f}" for other in present]
        figures = [f"{1000 * timings.seconds():.1f}", f"{timings.rate():.1f}", *ratios]
        rows.append([name, *figures, f"{timings.peak_bytes / 2**30:.2f}"])
    return table(header, rows)


def speed_goal(race: Race, one: str, other: str, wanted: float, *, what: str | None = None) -> Goal:
    """How many times faster `one` should be than `other`; unknown where either did not run."""
    found = ratio(race[one], race[other]) if one in race and other in race else None
    return Goal(what or f"{one} / {other}", found, wanted)


def memory_goal(race: Race, one: str, other: str, *, what: str | None = None) -> Goal:
    """That `one` needs no more memory than `other`."""
    found = race[one].peak_bytes / race[other].peak_bytes if one in race and other in race else None
    return Goal(what or f"peak memory: {one} / {other}", found, 1.0, at_most=True)


def figures_of(race: Race) -> dict[str, object]:
    """The medians and the rounds behind them, for programs."""
    return {
        name: {
            "seconds_a_step": timings.seconds(),
            "examples_a_second": timings.rate(),
            "examples_a_second_by_round": timings.rates(),
            "peak_bytes": timings.peak_bytes,
        }
        for name, timings in race.items()
    }
