"""Section about what happened besides the steps."""

from collections.abc import Iterator, Sequence

from palm.locale.current import translated, translated_word
from palm.report.events import EventKind
from palm.report.run_folder import ReadRun
from palm.report.section import Block, Cell, Paragraph, Section, Table
from palm.report.words import words

_MOST = 500
_WORDS: dict[EventKind, str] = {
    "skipped": "batch skipped",
    "overflow": "batch skipped",
    "restored": "rolled back",
    "lost": "process ended",
}
"""What kinds are called, where it is not their own name."""


def event_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """What happened in each run, in the order of the log."""
    blocks = [block for run in runs for block in _events(run, f" ({run.name})" if len(runs) > 1 else "")]
    yield Section("events", "Events", blocks)


def _events(run: ReadRun, of: str) -> Iterator[Block]:
    rows = _rows(run)
    if rows:
        kept = rows[:_MOST]
        header = words("step", "task", "event", "in the log")
        yield Table(f"What happened{of}", header, kept, texts=frozenset({3}))
    else:
        yield Paragraph(f"No resume, no skipped batch and no warning{of}.")
    if len(rows) > _MOST:
        yield Paragraph(f"{len(rows) - _MOST} later ones are in log.txt{of}.", is_note=True)
    yield from (Paragraph(line) for line in _facts(run, of))


def _rows(run: ReadRun) -> list[tuple[int, Cell, Cell, Cell]]:
    events = [event for event in run.log.events if event.kind not in ("checkpoint", "exported")]
    found: list[tuple[int, Cell, Cell, Cell]] = [
        (event.global_step, event.task, translated_word(_WORDS.get(event.kind, event.kind)), translated(event.text))
        for event in events
    ]
    for name, export in run.curves.exports.items():
        what = "model of all tasks" if name is None else "exported"
        retired = "; not trained any more" if name is not None and _retires(run) else ""
        said = translated(f"the weights of global step {export.of_step}{retired}")
        found.append((export.global_step, name, translated_word(what), said))
    for name, curves in run.curves.tasks.items():
        logged = {event.global_step for event in run.log.of("skipped")}
        missing = [step for step in curves.not_finite if step not in logged]
        kind, said = words("loss not finite", "the logged loss is no finite number")
        found += [(step, name, kind, said) for step in missing]
    return sorted(found, key=lambda row: row[0])


def _retires(run: ReadRun) -> bool:
    """Whether the steps of a target go to the others once it is exported."""
    key = run.configuration.values.get("leave_mix_when_finished")
    return key is not None and key.value == "true"


def _facts(run: ReadRun, of: str) -> Iterator[str]:
    saved = len(run.log.of("checkpoint"))
    kept = ", ".join(map(str, run.checkpoints))
    if saved or kept:
        yield f"Checkpoints{of}: {saved} written" + (f"; those of global step {kept} are there." if kept else ".")
    if run.rank_logs:
        yield f"Output of other ranks{of}: {', '.join(run.rank_logs)} in the folder ranks."
    if run.earlier_runs:
        yield f"Earlier runs in the same folder{of}: {run.earlier_runs}, in the folder earlier."
