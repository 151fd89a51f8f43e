"""The tables of tasks: which columns fit into a width, the text of their cells, and the rows at the end of a run.

Their words are in the language of the user.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from palm.engine.selection import Score
from palm.locale.current import translated_phrase, translated_word
from palm.training.display.facts import duration
from palm.training.display.live_run import LiveRun, LiveTask

GAP = 2
_SHORTEST_NAME, _SHORTEST_CURVE, _LONGEST_CURVE = 8, 8, 40
_NAME, _CURVE = "task", "curve"
# What is left out first where the terminal is narrow comes last.
_BY_IMPORTANCE = (_NAME, "best", "loss", "last", _CURVE, "metric", "at step", "steps")
_IN_ORDER = (_NAME, "steps", "loss", _CURVE, "metric", "last", "best", "at step")


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        name: Which it is.
        header: Its header.
        width: Its cells on the screen.
        align: Where its text stands.
    """

    name: str
    header: str
    width: int
    align: Literal["left", "right"]


def columns_for(run: LiveRun, width: int, measure: Callable[[str], int]) -> Sequence[Column]:
    """The columns that fit into `width`, the most important ones at least.

    Args:
        run: The run.
        width: Cells of the screen.
        measure: The cells that a text takes, two for each Chinese character.
    """
    for count in range(len(_BY_IMPORTANCE), 1, -1):
        names = [name for name in _IN_ORDER if name in _BY_IMPORTANCE[:count]]
        found = _widths(run, names, width, measure)
        if sum(found.values()) + GAP * (len(found) - 1) <= width:
            return [_column(name, found[name]) for name in names]
    return [_column(_NAME, width)]


def _widths(run: LiveRun, names: Sequence[str], width: int, measure: Callable[[str], int]) -> dict[str, int]:
    tasks = list(run.tasks.values())
    found = {name: _width_of(name, tasks, measure) for name in names}
    found[_NAME] = min(found[_NAME], max(_SHORTEST_NAME, width // 4))
    if _CURVE in found:
        left = width - sum(found.values()) - GAP * (len(found) - 1)
        found[_CURVE] += min(max(left, 0), _LONGEST_CURVE - found[_CURVE])
    return found


def _width_of(name: str, tasks: Sequence[LiveTask], measure: Callable[[str], int]) -> int:
    if name == _CURVE:
        return _SHORTEST_CURVE
    cells = [cell(name, task, 0) for task in tasks]
    least = {"loss": 7, "last": 7, "best": 7, "metric": 8}.get(name, 0)
    return max(least, measure(_column(name, 0).header), *map(measure, cells)) if cells else least


def _column(name: str, width: int) -> Column:
    header = {_CURVE: "", "metric": "dev"}.get(name, name)
    return Column(name, translated_word(header), width, "left" if name in (_NAME, _CURVE, "metric") else "right")


def cell(name: str, task: LiveTask, width: int) -> str:
    """The text of a task in the column `name`."""
    if name == _CURVE:
        return task.loss.sparkline(width)
    texts = {
        _NAME: task.name,
        "steps": _steps(task),
        "loss": "–" if task.loss.smoothed is None else short_number(task.loss.smoothed),
        "metric": "" if task.last is None else task.last.name,
        "last": _score(task.last),
        "best": _score(task.best),
        "at step": "" if task.best_step is None else f"{task.best_step:,}",
    }
    return texts[name]


def _steps(task: LiveTask) -> str:
    """`104/270`; `275 ✓` once they are done, after which a task may be trained for the others."""
    if task.expected is None:
        return f"{task.steps:,}"
    return f"{task.steps:,}/{task.expected:,}" if task.steps < task.expected else f"{task.steps:,} ✓"


def _score(score: Score | None) -> str:
    return "–" if score is None else short_number(score.value)


def short_number(value: float) -> str:
    """Four significant digits in at most seven characters: `0.0123`, `12.35`, `1.2e+09`."""
    if value == 0 or 1e-4 <= abs(value) < 10:
        return f"{value:.4f}"
    return f"{value:.2f}" if 1e-4 <= abs(value) < 1e4 else f"{value:.1e}"


def summary_rows(run: LiveRun) -> Iterator[tuple[str, str, str, str, str]]:
    """Task, metric, its best value, the step of the exported model, and its folder; the model of all tasks last."""
    for task in run.tasks.values():
        step, folder = (f"{task.exported_step:,}", task.folder) if task.exported_step is not None else ("", "")
        yield (task.name, *_best(task), step, folder)
    if run.run_model_step is not None:
        yield (translated_phrase("all tasks"), "", "", f"{run.run_model_step:,}", run.run_model_folder)


def _best(task: LiveTask) -> tuple[str, str]:
    return ("", "") if task.best is None else (task.best.name, short_number(task.best.value))


def took(run: LiveRun) -> str:
    """`405 steps in 2:03`, in the language of the user."""
    return translated_phrase(f"{run.done:,} steps in {duration(run.seconds)}")
