"""What steps are judged by, and how long a target waits for a better figure."""

import math
from dataclasses import asdict
from typing import Any

import pytest

from palm.engine.early_stopping import EarlyStops
from palm.engine.selection import Best, BestSoFar, Score, Selection
from palm.schema.settings import TaskSettings, TrainSettings


class Task:
    """As much of a task instance as selection looks at."""

    def __init__(self, name: str, **keys: Any) -> None:
        self.name, self.dev = name, object()
        self.settings = TaskSettings(reader="cls", paradigm="cls", **keys)


FIGURES = {"意图": {"loss": 0.5, "accuracy": 0.8, "macro_f1": 0.6}, "slots": {"loss": 0.3, "span_f1": 0.4}}


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        ({"意图": 1.0}, 0.8),
        ({"意图": 1.0, "slots": 0.5}, (0.8 + 0.5 * 0.4) / 1.5),
        ({"意图.macro_f1": 3.0, "slots.span_f1": 1.0}, (3 * 0.6 + 0.4) / 4),
        ({"意图.loss": 1.0, "slots.loss": 1.0}, -0.4),
        ({"意图.accuracy": 1.0, "slots.loss": 1.0}, (0.8 - 0.3) / 2),
        ({"意图.accuracy": 1.0, "slots.span_f1": -1.0}, (0.8 - 0.4) / 2),
        ({"意图.loss": -1.0}, -0.5),
    ],
)
def test_the_run_is_judged_by_the_weighted_mean_of_the_figures(weights: dict[str, float], wanted: float) -> None:
    found = Selection(weights=weights).of_run(FIGURES, [])
    assert found is not None
    assert (found.name, found.falls) == ("selection", False)
    assert found.value == pytest.approx(wanted, abs=1e-12)


def test_the_run_is_not_judged_while_a_figure_is_missing() -> None:
    assert Selection(weights={"slots": 1.0, "other": 1.0}).of_run(FIGURES, []) is None
    assert Selection().of_run(FIGURES, []) is None


@pytest.mark.parametrize(
    ("selection", "task", "wanted"),
    [
        (Selection(), "意图", Score("accuracy", 0.8)),
        (Selection("loss"), "意图", Score("loss", 0.5, falls=True)),
        (Selection("意图.macro_f1"), "意图", Score("macro_f1", 0.6)),
        (Selection("意图.macro_f1"), "slots", Score("span_f1", 0.4)),
        (Selection(weights={"意图.macro_f1": 1.0}), "意图", Score("macro_f1", 0.6)),
        (Selection(weights={"意图.macro_f1": -1.0}), "意图", Score("macro_f1", 0.6, falls=True)),
        (Selection(weights={"意图.macro_f1": 1.0}), "slots", Score("span_f1", 0.4)),
    ],
)
def test_a_task_is_judged_by_what_is_selected_of_it_or_its_main_figure(
    selection: Selection, task: str, wanted: Score
) -> None:
    assert selection.of_task(task, FIGURES[task]) == wanted


def test_a_task_without_metrics_is_judged_by_its_loss() -> None:
    assert Selection().of_task("a", {"loss": 2.0}) == Score("loss", 2.0, falls=True)
    assert Selection().of_task("a", {}) is None


def test_better_is_by_more_than_asked_and_never_what_is_not_finite() -> None:
    assert Score("f1", 0.5).beats(None)
    assert not Score("f1", 0.5).beats(0.5)
    assert Score("f1", 0.75).beats(0.5, by=0.125)
    assert not Score("f1", 0.625).beats(0.5, by=0.125)
    assert Score("loss", 0.25, falls=True).beats(0.5)
    assert not Score("loss", 0.75, falls=True).beats(0.5)
    assert not Score("f1", math.nan).beats(None)
    assert not Score("loss", -math.inf, falls=True).beats(0.5)


def test_the_best_of_a_selection_is_noted() -> None:
    best, selection = BestSoFar(), Selection(weights={"a": 1.0, "b": 3.0})
    tasks: Any = [Task("a"), Task("b")]
    values = [(0.9, 0.1), (0.5, 0.5), (0.9, 0.3)]
    improved = [
        best.note({"a": {"f1": one}, "b": {"f1": other}}, tasks, selection=selection, global_step=step)
        for step, (one, other) in enumerate(values)
    ]
    assert [(each.run, each.tasks) for each in improved] == [(True, ("a", "b")), (True, ("b",)), (False, ())]
    assert best.run == Best(1, "selection", 0.5)
    assert (best.tasks["a"].global_step, best.tasks["b"].global_step) == (0, 1)


def test_the_best_of_a_target_that_stopped_early_stays_and_the_runs_goes_on() -> None:
    best, selection = BestSoFar(), Selection("f1")
    tasks: Any = [Task("甲"), Task("b")]
    best.note({"甲": {"f1": 0.5}, "b": {"f1": 0.5}}, tasks, selection=selection, global_step=1)
    later = {"甲": {"f1": 0.9}, "b": {"f1": 0.9}}
    improved = best.note(later, tasks, selection=selection, global_step=2, stopped={"甲": 1})
    assert (improved.run, improved.tasks) == (True, ("b",))
    assert (best.tasks["甲"].global_step, best.tasks["b"].global_step) == (1, 2)


def stops_at(values: list[float], *, patience: int, min_delta: float = 0.0, name: str = "f1") -> int | None:
    """Which of the evaluations finishes the target; the state goes through its saved form each time."""
    stops = EarlyStops()
    task: Any = Task("任务", early_stopping_patience=patience, early_stopping_min_delta=min_delta)
    for step, value in enumerate(values):
        stops = EarlyStops.from_saved(asdict(stops))
        if stops.note({"任务": {name: value}}, [task], None, settings=TrainSettings(), global_step=step):
            assert stops.tasks == {"任务": step}
            return step
    return None


@pytest.mark.parametrize(
    ("values", "keys", "wanted"),
    [
        ([0.1, 0.2, 0.2, 0.3, 0.3, 0.3], {"patience": 2}, 5),
        ([0.1, 0.2, 0.2, 0.3, 0.3, 0.3], {"patience": 1}, 2),
        ([0.1, 0.2, 0.2, 0.3, 0.3, 0.3], {"patience": 3}, None),
        ([0.1, 0.5, 0.3, 0.4, 0.45], {"patience": 3}, 4),  # better than the last one is not better than the best
        ([0.1, 0.2, 0.3, 0.4], {"patience": 2, "min_delta": 0.25}, 2),
        ([0.5, 0.4, 0.5, 0.3], {"patience": 2, "name": "loss"}, None),
        ([0.5, 0.5, 0.6], {"patience": 2, "name": "loss"}, 2),
        ([math.nan, math.nan, 0.5], {"patience": 2}, 1),
    ],
)
def test_a_target_is_finished_when_it_has_waited_long_enough(
    values: list[float], keys: dict[str, Any], wanted: int | None
) -> None:
    assert stops_at(values, **keys) == wanted


def test_the_run_ends_when_its_figure_has_waited_long_enough() -> None:
    stops = EarlyStops()
    settings = TrainSettings(metric_for_best_model="f1", selection_patience=2, selection_min_delta=0.125)
    for step, value in enumerate([0.5, 0.75, 0.875, 0.75]):
        assert stops.run is None
        stops.note({}, [], Score("f1", value), settings=settings, global_step=step)
    assert stops.run == 3
