"""Charts of a search: its trials in their order, and by the values of each searched key."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from palm.locale.current import translated_word
from palm.report.charts import ChartRows, chart_spec, short
from palm.report.configuration import value_as_text
from palm.report.section import Chart
from palm.schema.search_results import SearchRange, SearchResults, SearchTrial

COMPLETE, PRUNED, BEST_SO_FAR = "complete", "pruned", "best so far"
_HEIGHT = 220
_ROOM = 0.12  # above and below the values, as a fraction of their range
_SHAPES = ["circle", "cross", "stroke"]
_MOST_LEVEL = 6  # choices whose names stand side by side


def trials_chart(results: SearchResults) -> Chart:
    """The value of each trial in their order, with the best so far; pruned ones have that of their last evaluation."""
    found = _shown(results)
    number = alt.X("s:Q", title=translated_word("trial"), axis=alt.Axis(format="d", tickMinStep=1))
    line = alt.Chart(_rows(_best_so_far(results, found))).mark_line(interpolate="step-after", strokeWidth=1.5)
    layers = [line.encode(number, _value(found), _colour(legend=True)), *_points(results, found, number, legend=True)]
    title = f"{results.metric}: {translated_word('trials')}"
    return _chart(title, "The value of each trial in their order, and the best so far.", layers)


def key_charts(results: SearchResults) -> Iterator[Chart]:
    """The value of each trial by the value of a key, for each key."""
    for key, searched in results.search.items():
        found = [each for each in _shown(results) if key in each.values]
        if found:
            layers = _points(results, found, _axis(key, searched), legend=False, key=key, searched=searched)
            yield _chart(key, f"The value of each trial by its value of {key}.", layers)


def _shown(results: SearchResults) -> list[SearchTrial]:
    """The trials that have a value."""
    return [each for each in results.trials if each.last_value is not None and math.isfinite(each.last_value)]


def _best_so_far(results: SearchResults, found: Sequence[SearchTrial]) -> ChartRows:
    rows: ChartRows = []
    best: float | None = None
    for each in found:
        if each.score is not None:
            better = best is None or (each.score < best if results.falls else each.score > best)
            best = each.score if better else best
        if best is not None:
            rows.append({"n": translated_word(BEST_SO_FAR), "s": each.number, "v": short(best)})
    return rows


def _points(
    results: SearchResults,
    found: Sequence[SearchTrial],
    x: alt.X,
    *,
    legend: bool,
    key: str | None = None,
    searched: SearchRange | None = None,
) -> list[alt.Chart]:
    """The trials as points, and a ring around the best one with its value."""
    rows: ChartRows = []
    for each in found:
        row: dict[str, object] = {"n": translated_word(each.state), "s": each.number, "v": short(each.last_value or 0)}
        row |= {} if key is None or searched is None else {"x": _place(each, key, searched)}
        rows.append(row)
    best = [row for row, each in zip(rows, found, strict=True) if each.number == results.best]
    tooltip = [
        alt.Tooltip("s:Q", title=translated_word("trial"), format="d"),
        *([] if key is None else [alt.Tooltip("x:N", title=key)]),
        alt.Tooltip("n:N", title=translated_word("state")),
        alt.Tooltip("v:Q", title=translated_word("value"), format=".4~g"),
    ]
    shape = alt.Shape("n:N", scale=alt.Scale(domain=_names(), range=_SHAPES), title=None, legend=_legend(legend))
    value = _value(found)
    points = alt.Chart(_rows(rows)).mark_point(size=55, strokeWidth=2, filled=False)
    ring = alt.Chart(_rows(best)).mark_point(size=230, strokeWidth=2.5, shape="circle", color="page:accent")
    label = alt.Chart(_rows(best)).mark_text(dy=-15, fontWeight=600, fontSize=11)
    return [
        points.encode(x, value, _colour(legend=legend), shape, tooltip=tooltip),
        ring.encode(x, value),
        label.encode(x, value, text=alt.Text("v:Q", format=".4f")),
    ]


def _place(trial: SearchTrial, key: str, searched: SearchRange) -> object:
    value = trial.values[key]
    return value if searched.choices is None else value_as_text(value)


def _axis(key: str, searched: SearchRange) -> alt.X:
    if searched.choices is None:
        ends = [number for number in (searched.low, searched.high) if number is not None]
        scale = alt.Scale(type="log" if searched.log else "linear", domain=ends, nice=False, padding=8)
        return alt.X("x:Q", title=key, scale=scale, axis=alt.Axis(format="~g", tickCount=5))
    names = [value_as_text(choice) for choice in searched.choices]
    angle = 0 if len(names) <= _MOST_LEVEL else -45
    return alt.X("x:N", title=key, sort=names, scale=alt.Scale(domain=names), axis=alt.Axis(labelAngle=angle))


def _value(found: Sequence[SearchTrial]) -> alt.Y:
    values = [each.last_value for each in found if each.last_value is not None] or [0.0]
    low, high = min(values), max(values)
    room = _ROOM * (high - low or abs(high) or 1.0)
    domain = [short(max(low - room, 0.0) if low >= 0 else low - room), short(high + 1.5 * room)]
    return alt.Y("v:Q", title=None, axis=alt.Axis(format=".4~g"), scale=alt.Scale(domain=domain, nice=False))


def _names() -> list[str]:
    return [translated_word(name) for name in (COMPLETE, PRUNED, BEST_SO_FAR)]


def _colour(*, legend: bool) -> alt.Color:
    return alt.Color("n:N", scale=alt.Scale(domain=_names()), title=None, legend=_legend(legend))


def _legend(is_shown: bool) -> alt.Legend | None:
    return alt.Legend(orient="top") if is_shown else None


def _rows(rows: ChartRows) -> alt.InlineData:
    return alt.InlineData(values=rows)


def _chart(title: str, description: str, layers: Sequence[Any]) -> Chart:
    return Chart(title, chart_spec(alt.layer(*layers).properties(height=_HEIGHT)), description)
