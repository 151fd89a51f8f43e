"""Checks of the trackers that a run reports to."""

from collections.abc import Iterator

from palm.config.typed import TypedConfig
from palm.errors import Problem
from palm.registry import did_you_mean
from palm.schema.reporting import NO_TRACKER
from palm.tracking import TRACKERS


def known_trackers(config: TypedConfig) -> Iterator[Problem]:
    """Every tracker of `report_to` is known and, for training, installed."""
    names = config.train.report_to if config.train else None
    if not names:
        return
    where = config.where("report_to")
    if NO_TRACKER in names and len(names) > 1:
        others = ", ".join(name for name in names if name != NO_TRACKER)
        rule = f"report_to: `{NO_TRACKER}` stands alone."
        yield Problem(where, f"{rule} Found it with {others}. Remove one of them.")
    for name in dict.fromkeys(names):
        if name != NO_TRACKER:
            yield from _problems_of(name, where, installed=config.for_train)


def _problems_of(name: str, where: str, *, installed: bool) -> Iterator[Problem]:
    if name not in TRACKERS:
        known = [*TRACKERS, NO_TRACKER]
        yield Problem(where, f"unknown tracker `{name}`.{did_you_mean(name, known)} Known: {', '.join(known)}.")
    elif installed and not TRACKERS[name].is_installed():
        tracker = TRACKERS[name]
        advice = f'pip install "paddle-palm[{tracker.extra}]"'
        rule = f"report_to: {name} needs the package `{tracker.package}`."
        yield Problem(where, f"{rule} Found none. {advice}, or remove it from the list.")
