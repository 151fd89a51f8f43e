"""Sections about what came out: the best evaluation of each task, side by side where there are several runs."""

from collections.abc import Iterator, Sequence

from palm.metric.base import LOSS, lower_is_better
from palm.report.run_folder import ReadRun
from palm.report.section import Cell, Paragraph, Section, Table
from palm.report.words import words


def result_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """One section: the best evaluations of a run, or a comparison of several."""
    blocks = [_one_run(runs[0])] if len(runs) == 1 else [_comparison(runs)]
    notes = [
        Paragraph(f"{run.name}: {note}" if len(runs) > 1 else note, is_note=True) for run in runs for note in run.notes
    ]
    yield Section("results", "Results", (*(block for block in blocks if block.rows), *notes))


def task_names(runs: Sequence[ReadRun]) -> list[str]:
    """The tasks of all runs, in the order of the first that has them."""
    return list(dict.fromkeys(name for run in runs for name in run.task_names))


def shown_number(value: float | None) -> str:
    """A metric with four decimals."""
    return "–" if value is None else f"{value:.4f}"


def _one_run(run: ReadRun) -> Table:
    header = words("task", "metric", "best", "at step", "last", "model of step", "steps of the task")
    rows: list[tuple[Cell, ...]] = []
    for name in run.task_names:
        curves, export, steps = run.curves.tasks.get(name), run.curves.exports.get(name), run.steps_of(name)
        model: Cell = export.of_step if export else None
        metrics = list(curves.dev) if curves else []
        for metric in sorted(metrics, key=lambda each: each == LOSS):
            best = curves.best(metric) if curves else None
            last = curves.dev[metric].last if curves else None
            if best is not None and last is not None:
                found = (shown_number(best.value), best.global_step, shown_number(last[1]))
                rows.append((name, metric, *found, model, steps))
        if not metrics:
            rows.append((name, None, None, None, None, model, steps))
    return Table("The best evaluation of each task on its dev rows", header, rows)


def _comparison(runs: Sequence[ReadRun]) -> Table:
    """The best value of each metric in each run; the best of a row is marked."""
    rows: list[tuple[Cell, ...]] = []
    marked: set[tuple[int, int]] = set()
    for name in task_names(runs):
        for metric in _metrics(runs, name):
            values = [_best_value(run, name, metric) for run in runs]
            known = [value for value in values if value is not None]
            if not known:
                continue
            best = min(known) if lower_is_better(metric) else max(known)
            marked |= {(len(rows), column + 2) for column, value in enumerate(values) if value == best}
            rows.append((name, metric, *map(shown_number, values)))
    header = (*words("task", "metric"), *(run.name for run in runs))
    return Table("The best evaluations of the runs on dev rows", header, rows, best=frozenset(marked))


def _metrics(runs: Sequence[ReadRun], task: str) -> list[str]:
    names = dict.fromkeys(name for run in runs if task in run.curves.tasks for name in run.curves.tasks[task].dev)
    return sorted(names, key=lambda name: name == LOSS)


def _best_value(run: ReadRun, task: str, metric: str) -> float | None:
    curves = run.curves.tasks.get(task)
    best = curves.best(metric) if curves else None
    return None if best is None else best.value
