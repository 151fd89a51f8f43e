"""Sections about several tasks in one run: how often each is trained, and how their gradients agree."""

from collections.abc import Iterator, Sequence
from itertools import product

from palm.report.charts import Curve, bar_chart, curve_chart, heat_map
from palm.report.run_folder import ReadRun
from palm.report.section import Block, Cell, Paragraph, Section, Table
from palm.report.series import Series
from palm.report.words import words

_MOST_PAIRS = 8


def mix_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """The mix of the tasks, and the cosines of their gradients, where they were measured."""
    mixed = [run for run in runs if len(run.task_names) > 1]
    yield Section("mix", "Mix of the tasks", tuple(block for run in mixed for block in _mix(run, _of(run, runs))))
    blocks = tuple(block for run in runs if run.curves.cosines for block in _cosines(run, _of(run, runs)))
    yield Section("cosines", "Gradient cosines", blocks)


def _of(run: ReadRun, runs: Sequence[ReadRun]) -> str:
    """How titles name one of several runs."""
    return f" ({run.name})" if len(runs) > 1 else ""


def _mix(run: ReadRun, of: str) -> Iterator[Block]:
    mix = run.mix()
    asked, achieved = words("asked", "achieved")
    bars = [(name, asked, each.asked) for name, each in mix.items() if each.asked is not None]
    bars += [(name, achieved, each.achieved) for name, each in mix.items()]
    described = ", ".join(f"{name} {each.achieved:.1%}" for name, each in mix.items())
    yield bar_chart(f"fraction of the steps{of}", f"How often each task was trained: {described}.", bars)
    curves = [Curve(name, series) for name, series in run.curves.probabilities.items()]
    if curves:
        description = "The probability with which the sampler chooses each task, over the steps of training."
        yield curve_chart(f"sampling probabilities{of}", description, curves, value_format=".3~%", from_zero=True)
    else:
        so_far = [Curve(name, _fractions(run, name)) for name in mix]
        if any(len(curve.series) for curve in so_far):
            description = "The fraction of the steps so far that each task has had."
            yield curve_chart(f"mix so far{of}", description, so_far, value_format=".3~%", from_zero=True)
    factors = [Curve(name, curves.loss_factor) for name, curves in run.curves.tasks.items() if len(curves.loss_factor)]
    if factors:
        yield curve_chart(f"loss factors{of}", "The factor of each task's loss that the weighting learns.", factors)
    rows: list[tuple[Cell, ...]] = [
        (name, None if each.asked is None else f"{each.asked:.1%}", f"{each.achieved:.1%}", each.steps)
        for name, each in mix.items()
    ]
    yield Table(f"Steps of the tasks{of}", words("task", "asked", "achieved", "steps"), rows)
    if all(each.asked is None for each in mix.values()):
        yield Paragraph("What the sampler was asked for is not recorded: the run has no run.json.", is_note=True)


def _fractions(run: ReadRun, task: str) -> Series:
    """The fraction of the global steps that a task has had, at each of its logged steps."""
    curves, per_epoch = run.curves.tasks.get(task), run.steps_per_epoch(task)
    if curves is None or not per_epoch or len(curves.epoch) != len(curves.position):
        return Series()
    done = curves.epoch.values * per_epoch + curves.position.values
    steps = curves.position.steps
    return Series.of((int(step), float(part / step)) for step, part in zip(steps, done, strict=True))


def _cosines(run: ReadRun, of: str) -> Iterator[Block]:
    means = {pair: float(series.values.mean()) for pair, series in run.curves.cosines.items() if len(series)}
    if not means:
        return
    both = means | {(other, one): value for (one, other), value in means.items()}
    names = [name for name in run.task_names if any(name in pair for pair in means)]
    names += [name for name in dict.fromkeys(sum(means, ())) if name not in names]
    cells = {(one, other): 1.0 if one == other else both.get((one, other)) for one, other in product(names, names)}
    count = max(map(len, run.curves.cosines.values()))
    described = ", ".join(f"{one} and {other} {value:+.2f}" for (one, other), value in means.items())
    yield heat_map(f"mean of {count} measurements{of}", f"Cosines of the tasks' gradients: {described}.", cells)
    furthest = sorted(means, key=lambda pair: -abs(means[pair]))[:_MOST_PAIRS]
    curves = [Curve(f"{one} · {other}", run.curves.cosines[one, other]) for one, other in furthest]
    if count > 1:
        description = "The cosine of each pair of tasks over the steps of training."
        yield curve_chart(f"over the steps{of}", description, curves, value_format="+.2f")
    yield Paragraph(
        "Above 0 two tasks pull the shared encoder in the same direction, below 0 they conflict. Each measurement is "
        "of one batch of each task, so single values scatter."
    )
