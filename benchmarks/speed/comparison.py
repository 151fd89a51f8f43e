"""Tables and goals of a comparison."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.speed.flops import Shares
from benchmarks.speed.results import Goal, table
from benchmarks.speed.side_by_side import Race, Timings, ratio


def speed_table(race: Race, against: Sequence[str], shares: Shares | None = None) -> str:
    """Time per step, examples per second, peak memory, and the speed-up over each of `against`.

    Args:
        race: What was measured; participants that failed have a row with the reason.
        against: Participants with a column; those that did not run have none.
        shares: Adds the share of the machine's peak.
    """
    present = [name for name in against if name in race]
    share = [] if shares is None else ["% of the peak"]
    header = ["", "ms per step", "examples/s", *(f"× {name}" for name in present), *share, "peak GB"]
    rows = []
    for name, timings in race.items():
        cells = [f"{1000 * timings.seconds():.1f}", f"{timings.rate():.1f}"]
        cells += [f"{ratio(timings, race[other]):.2f}" for other in present]
        cells += [] if shares is None else [shares.cell(name, timings)]
        rows.append([name, *cells, f"{timings.peak_bytes / 2**30:.2f}"])
    rows += [[name, *["–"] * (len(header) - 1)] for name in race.failed]
    return "\n\n".join([table(header, rows), *failures(race)])


def failures(race: Race) -> list[str]:
    """A line for each participant that did not run to the end."""
    return [f"{name}: failed: {why}" for name, why in race.failed.items()]


def best(race: Race, names: Iterable[str]) -> str:
    """The fastest of `names` that ran; the first one if none did."""
    listed = list(names)
    return max((name for name in listed if name in race), key=lambda name: race[name].rate(), default=listed[0])


def speed_goal(race: Race, one: str, other: str, target: float, *, what: str | None = None) -> Goal:
    """The speed-up of `one` over `other`; unknown if either did not run."""
    found = ratio(race[one], race[other]) if one in race and other in race else None
    return Goal(what or f"{one} / {other}", found, target)


def memory_goal(race: Race, one: str, other: str, target: float = 1.0, *, what: str | None = None) -> Goal:
    """`one` needs at most `target` of the memory of `other`."""
    found = race[one].peak_bytes / race[other].peak_bytes if one in race and other in race else None
    return Goal(what or f"peak memory: {one} / {other}", found, target, at_most=True)


def share_goal(race: Race, name: str, shares: Shares, target: float) -> Goal:
    """`name` reaches at least `target` percent of the machine's peak."""
    found = 100 * shares.of(name, race[name]) if name in race and shares.peak_of(name) else None
    return Goal(f"{name}: % of the peak", found, target)


def numbers_of(race: Race) -> dict[str, object]:
    """The medians and their rounds, and the reasons of those that failed, for programs."""
    failed: dict[str, object] = {name: {"failed": reason} for name, reason in race.failed.items()}
    return failed | _numbers(race)


def _numbers(race: Mapping[str, Timings]) -> dict[str, object]:
    return {
        name: {
            "seconds_a_step": timings.seconds(),
            "examples_a_second": timings.rate(),
            "examples_a_second_by_round": timings.rates(),
            "peak_bytes": timings.peak_bytes,
        }
        for name, timings in race.items()
    }
