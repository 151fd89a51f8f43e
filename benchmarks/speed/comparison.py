"""Tables and goals of a comparison."""

from collections.abc import Mapping, Sequence

from benchmarks.speed.results import Goal, table
from benchmarks.speed.side_by_side import Timings, ratio

Race = Mapping[str, Timings]


def speed_table(race: Race, against: Sequence[str]) -> str:
    """Time per step, examples per second, peak memory, and the speed-up over each of `against`."""
    present = [name for name in against if name in race]
    header = ["", "ms per step", "examples/s", *(f"× {name}" for name in present), "peak GB"]
    rows = []
    for name, timings in race.items():
        ratios = [f"{ratio(timings, race[other]):.2f}" for other in present]
        cells = [f"{1000 * timings.seconds():.1f}", f"{timings.rate():.1f}", *ratios]
        rows.append([name, *cells, f"{timings.peak_bytes / 2**30:.2f}"])
    return table(header, rows)


def speed_goal(race: Race, one: str, other: str, target: float, *, what: str | None = None) -> Goal:
    """The speed-up of `one` over `other`; unknown if either did not run."""
    found = ratio(race[one], race[other]) if one in race and other in race else None
    return Goal(what or f"{one} / {other}", found, target)


def memory_goal(race: Race, one: str, other: str, *, what: str | None = None) -> Goal:
    """`one` needs at most as much memory as `other`."""
    found = race[one].peak_bytes / race[other].peak_bytes if one in race and other in race else None
    return Goal(what or f"peak memory: {one} / {other}", found, 1.0, at_most=True)


def numbers_of(race: Race) -> dict[str, object]:
    """The medians and their rounds, for programs."""
    return {
        name: {
            "seconds_a_step": timings.seconds(),
            "examples_a_second": timings.rate(),
            "examples_a_second_by_round": timings.rates(),
            "peak_bytes": timings.peak_bytes,
        }
        for name, timings in race.items()
    }
