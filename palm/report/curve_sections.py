"""Sections of curves: loss and dev metrics of each task, learning rate and throughput."""

from collections.abc import Iterable, Iterator, Sequence

from palm.locale.current import translated_word
from palm.metric.base import LOSS
from palm.report.charts import Curve, Mark, curve_chart
from palm.report.result_sections import shown_number, task_names
from palm.report.run_folder import ReadRun
from palm.report.section import Block, Chart, Paragraph, Section
from palm.report.series import Series

TRAINING, DEV = "training loss", "dev loss"
HOW_TO = (
    "Curves: drag sideways to move, Shift and the wheel to magnify, double-click to return. Thin lines are logged "
    "losses, thick ones their exponential moving average; circles mark the best evaluations."
)


def curve_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """The curves of the tasks, and those of the whole run."""
    charts = [chart for name in task_names(runs) for chart in _charts_of_task(runs, name)]
    yield Section("curves", "Curves", (*charts, Paragraph(HOW_TO)) if charts else ())
    yield Section("speed", "Learning rate and throughput", tuple(_charts_of_run(runs)))


def _charts_of_task(runs: Sequence[ReadRun], task: str) -> Iterator[Chart]:
    having = [run for run in runs if task in run.curves.tasks]
    loss = list(_losses(having, task, of_one=len(runs) == 1))
    if any(len(curve.series) for curve in loss):
        of_dev = "" if len(runs) > 1 else ", and on its dev rows"
        yield curve_chart(
            f"{task}: {translated_word('loss')}",
            f"Loss of the task {task} over the steps of training{of_dev}.",
            loss,
            names=_names(runs),
        )
    for metric, curves, marks in _evaluations(having, task, of_one=len(runs) == 1):
        described = "; ".join(f"{mark.name} is best at step {mark.step} with {mark.label}" for mark in marks)
        yield curve_chart(
            f"{task}: {metric}",
            f"Evaluations of the task {task}: {described}.",
            curves,
            marks=marks,
            names=_names(runs),
        )


def _losses(runs: Sequence[ReadRun], task: str, *, of_one: bool) -> Iterator[Curve]:
    for run in runs:
        curves = run.curves.tasks[task]
        name = translated_word(TRAINING) if of_one else run.name
        yield Curve(name, curves.loss, is_faint=True)
        yield Curve(name, curves.loss.smoothed())
        if of_one and LOSS in curves.dev:
            yield Curve(translated_word(DEV), curves.dev[LOSS])


def _evaluations(runs: Sequence[ReadRun], task: str, *, of_one: bool) -> Iterator[tuple[str, list[Curve], list[Mark]]]:
    """The charts of a task's evaluations: all metrics of one run, or the main metric of several."""
    evaluated = [run for run in runs if run.curves.tasks[task].main_metric not in (None, LOSS)]
    if of_one and evaluated:
        curves = evaluated[0].curves.tasks[task]
        names = [name for name in curves.dev if name != LOSS]
        marks = list(_mark(evaluated[0], task, str(curves.main_metric), name=str(curves.main_metric)))
        yield "metrics on dev rows", [Curve(name, curves.dev[name]) for name in names], marks
        return
    metrics = dict.fromkeys(str(run.curves.tasks[task].main_metric) for run in evaluated)
    for metric in metrics:
        having = [run for run in evaluated if metric in run.curves.tasks[task].dev]
        marks = [mark for run in having for mark in _mark(run, task, metric, name=run.name)]
        yield metric, [Curve(run.name, run.curves.tasks[task].dev[metric]) for run in having], marks


def _names(runs: Sequence[ReadRun]) -> list[str]:
    """The names of several runs, which have a colour each."""
    return [run.name for run in runs] if len(runs) > 1 else []


def _mark(run: ReadRun, task: str, metric: str, *, name: str) -> Iterator[Mark]:
    best = run.curves.tasks[task].best(metric)
    if best is not None:
        yield Mark(name, best.global_step, best.value, shown_number(best.value))


def _charts_of_run(runs: Sequence[ReadRun]) -> Iterator[Block]:
    of_runs = {
        "learning rate": [(run.name, run.curves.learning_rate, False) for run in runs],
        "steps per second": [(run.name, run.curves.speed, True) for run in runs],
    }
    for title, found in of_runs.items():
        curves = [curve for name, series, smooth in found for curve in _smoothed(name, series, smooth=smooth)]
        if any(len(curve.series) for curve in curves):
            from_zero = title != "learning rate"
            yield curve_chart(
                title, f"The {title} over the steps of training.", curves, from_zero=from_zero, names=_names(runs)
            )
    waits = [Curve(run.name, run.curves.data_wait) for run in runs if _is_above(run.curves.data_wait, 0.05)]
    if waits:
        description = "The fraction of the time that training waited for data."
        yield curve_chart(
            "waiting for data", description, waits, value_format=".2~%", from_zero=True, names=_names(runs)
        )


def _smoothed(name: str, series: Series, *, smooth: bool) -> Iterable[Curve]:
    if not smooth:
        return [Curve(name, series)]
    return [Curve(name, series, is_faint=True), Curve(name, series.smoothed())]


def _is_above(series: Series, least: float) -> bool:
    return bool(len(series)) and float(series.values.max()) > least
