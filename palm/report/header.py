"""The facts above the sections: what was trained, how far it is, and what came out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from palm.locale.current import translated, translated_word
from palm.report.result_sections import shown_number
from palm.report.run_folder import ReadRun

_MINUTE, _HOUR, _MILLION = 60.0, 3600.0, 1_000_000


@dataclass(frozen=True)
class Fact:
    """A fact about a run.

    Attributes:
        name: What it is.
        value: As text.
    """

    name: str
    value: str


@dataclass(frozen=True)
class TaskCard:
    """A task in short.

    Attributes:
        name: Its name.
        kind: Reader and paradigm, and whether it is an auxiliary task.
        value: Its best main metric; empty without an evaluation.
        metric: Which metric, and when.
        steps: Its steps, and the expected ones.
    """

    name: str
    kind: str
    value: str
    metric: str
    steps: str


def facts_of(run: ReadRun) -> Iterator[Fact]:
    """The facts of a run that are known, in the language of the reader."""
    for name, value in _facts(run):
        yield Fact(translated_word(name), translated(value))


def _facts(run: ReadRun) -> Iterator[tuple[str, str]]:
    known = run.description
    yield ("steps", _steps(run))
    seconds = trained_seconds(run)
    if seconds is not None:
        yield ("training time", shown_seconds(seconds))
    if known is not None:
        encoder = run.configuration.values.get("encoder")
        named = f"{encoder.value} ({known.backbone})" if encoder and encoder.value != "null" else known.backbone
        yield ("encoder", named)
        yield ("parameters", shown_count(known.parameters))
        yield ("device", f"{known.device}, {known.precision}, {_counted_threads(known.threads, known.processes)}")
        yield ("started", shown_time(known.started))
        yield ("PALM", known.palm_version)
    if run.log.sessions > 1:
        yield ("sessions", f"{run.log.sessions}, see the events")


def cards_of(run: ReadRun) -> Iterator[TaskCard]:
    """The tasks of a run."""
    for name in run.task_names:
        described = run.description.tasks.get(name) if run.description else None
        curves = run.curves.tasks.get(name)
        best = curves.best() if curves else None
        steps = run.steps_of(name)
        yield TaskCard(
            name,
            _kind(run, name),
            shown_number(best.value) if best else "",
            translated(f"best {best.metric}, at step {best.global_step:,}" if best else "no evaluation on dev rows"),
            translated(_steps_of_task(steps, described.expected_steps if described else None)),
        )


def trained_seconds(run: ReadRun) -> float | None:
    """Seconds of training until the last export; None without any."""
    return max((each.train_seconds for each in run.curves.exports.values() if each.train_seconds), default=None)


def shown_seconds(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = round(seconds)
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"


def shown_count(count: int) -> str:
    """`23,156`, `22.7 M`."""
    return f"{count:,}" if count < _MILLION else f"{count / _MILLION:,.1f} M"


def shown_time(moment: str) -> str:
    """A time of run.json to the minute; what is no time stays as it is."""
    try:
        return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return moment


def _steps(run: ReadRun) -> str:
    total = run.total_steps
    return f"{run.curves.last_step:,}" + (f" of {total:,}" if total and total != run.curves.last_step else "")


def _steps_of_task(steps: int, expected: int | None) -> str:
    """`7 of 20 steps`, or `22 steps, 20 expected` of a task that others have kept in the mix."""
    if expected is None:
        return f"{steps:,} steps"
    return f"{steps:,} of {expected:,} steps" if steps <= expected else f"{steps:,} steps, {expected:,} expected"


def _counted_threads(threads: int, processes: int) -> str:
    counted = f"{threads} thread{'s' * (threads != 1)}"
    return counted if processes == 1 else f"{processes} processes of {counted}"


def _kind(run: ReadRun, task: str) -> str:
    reader, paradigm = (run.configuration.of_task(task, key) for key in ("reader", "paradigm"))
    described = run.description.tasks.get(task) if run.description else None
    if described is not None:
        reader, paradigm = described.reader or reader, described.paradigm or paradigm
    names = dict.fromkeys(name for name in (reader, paradigm) if name)
    auxiliary = [translated_word("auxiliary")] if described is not None and not described.target else []
    return ", ".join([*names, *auxiliary])
