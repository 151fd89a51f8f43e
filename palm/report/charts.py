"""Charts as Vega-Lite specifications, made with altair. The page gives them width, colours and fonts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from palm.locale.current import translated_word
from palm.report.section import Chart
from palm.report.series import Series

HEIGHT = 220
MOST_POINTS = 400
"""Points of a curve in a page: about one per pixel of a chart's width."""

_MOST_DOTS = 40  # curves with more points are lines alone
_BAR = 14
_AROUND = 62  # pixels for the axis and the legend of a chart whose rows count
_TEXT_LIMIT = 180
_BESIDE = 1.15  # room for the number beside the longest bar, as a factor of its length
_ABOVE, _BELOW = 0.14, 0.04  # room above curves, for the labels of marks, and below, as fractions of their range
_MOST_NUMBERED = 16  # rows or columns of a matrix whose cells show their numbers
_DIGITS = 5

ChartRows = list[dict[str, object]]


@dataclass(frozen=True)
class Curve:
    """A line of a chart.

    Attributes:
        name: Its name in the legend; curves of one name have one colour.
        series: Its points.
        is_faint: Whether it stays in the background, as a loss that is not smoothed.
    """

    name: str
    series: Series
    is_faint: bool = False


@dataclass(frozen=True)
class Mark:
    """A point of a chart that is marked.

    Attributes:
        name: The name of its curve.
        step: Its global step.
        value: Its value.
        label: What is written beside it.
    """

    name: str
    step: int
    value: float
    label: str


def curve_chart(
    title: str,
    description: str,
    curves: Sequence[Curve],
    *,
    marks: Sequence[Mark] = (),
    value_format: str = ".4~g",
    from_zero: bool = False,
    is_wide: bool = False,
    names: Sequence[str] = (),
) -> Chart:
    """Curves over global steps, to be moved and magnified, with their values under the pointer.

    Args:
        title: What the chart shows.
        description: The same in a sentence.
        curves: The lines; those without points are left out.
        marks: Points to mark.
        value_format: Format of values (d3).
        from_zero: Whether the axis of values begins at 0.
        is_wide: Whether it takes the whole width of the page.
        names: Names in the order of their colours, of curves that this chart does not show, too.
    """
    shown = [curve for curve in curves if len(curve.series)]
    own = list(dict.fromkeys(curve.name for curve in shown))
    domain = list(dict.fromkeys([*names, *own]))
    faint = [curve for curve in shown if curve.is_faint]
    strong = [curve for curve in shown if not curve.is_faint]
    legend = _legend(own, "stroke", is_needed=len(domain) > 1)
    colour = alt.Color("n:N", scale=alt.Scale(domain=domain), title=None, legend=legend)
    step = alt.X(
        "s:Q",
        title=translated_word("global step"),
        axis=alt.Axis(format="~s", tickMinStep=1),
        scale=alt.Scale(nice=False),
    )
    scale = alt.Scale(domain=value_range(shown, from_zero=from_zero), nice=False)
    value = alt.Y("v:Q", title=None, axis=alt.Axis(format=value_format), scale=scale)
    layers: list[alt.Chart] = []
    if faint:
        layers.append(
            alt.Chart(_data(_points(faint)))
            .mark_line(strokeWidth=1, opacity=0.3, clip=True)
            .encode(step, value, colour)
        )
    layers += _strong_layers(strong, step, value, colour, value_format)
    if marks:
        layers += _mark_layers(marks, step, value, colour)
    moved = alt.selection_interval(name="moved", bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]")
    layers[0] = layers[0].add_params(moved)
    return Chart(title, chart_spec(alt.layer(*layers).properties(height=HEIGHT)), description, is_wide)


def value_range(curves: Sequence[Curve], *, from_zero: bool) -> list[float]:
    """The range of an axis: that of all values, with room for labels above, and below 0 only where values are."""
    values = [value for curve in curves for value in curve.series.values.tolist() if math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low = min(low, 0.0) if from_zero else low
    spread = high - low or abs(high) or 1.0
    bottom = low - _BELOW * spread
    return [short(max(bottom, 0.0) if low >= 0 else bottom), short(high + _ABOVE * spread)]


def _strong_layers(
    curves: Sequence[Curve], step: alt.X, value: alt.Y, colour: alt.Color, value_format: str
) -> list[alt.Chart]:
    dots = all(len(curve.series) <= _MOST_DOTS for curve in curves)
    near = alt.selection_point(
        name="near", fields=["s"], nearest=True, on="pointerover", clear="pointerout", empty=False
    )
    tooltip = [
        alt.Tooltip("n:N", title=translated_word("curve")),
        alt.Tooltip("s:Q", title=translated_word("global step"), format=",d"),
        alt.Tooltip("v:Q", title=translated_word("value"), format=value_format),
    ]
    base = alt.Chart(_data(_points(curves)))
    line = base.mark_line(strokeWidth=2, clip=True, point=alt.OverlayMarkDef(size=22) if dots else False)
    points = base.mark_point(size=70, filled=True, clip=True)
    opacity = alt.condition(near, alt.value(1), alt.value(0))
    return [
        line.encode(step, value, colour),
        points.encode(step, value, colour, opacity=opacity, tooltip=tooltip).add_params(near),
    ]


def _mark_layers(marks: Sequence[Mark], step: alt.X, value: alt.Y, colour: alt.Color) -> list[alt.Chart]:
    rows: ChartRows = [{"n": mark.name, "s": mark.step, "v": short(mark.value), "t": mark.label} for mark in marks]
    base = alt.Chart(_data(rows))
    ring = base.mark_point(size=110, strokeWidth=2.5, filled=False, clip=True)
    text = base.mark_text(dy=-13, fontWeight=600, fontSize=11, limit=_TEXT_LIMIT)
    return [ring.encode(step, value, colour), text.encode(step, value, text="t:N")]


def bar_chart(
    title: str,
    description: str,
    rows: Iterable[tuple[str, str, float]],
    *,
    value_format: str = ".1%",
    value_title: str | None = None,
) -> Chart:
    """Horizontal bars, those of one category below each other.

    Args:
        title: What the chart shows.
        description: The same in a sentence.
        rows: `(category, name of the bar, value)`.
        value_format: Format of values (d3).
        value_title: What the values are.
    """
    rows = list(rows)
    data: ChartRows = [{"c": category, "n": name, "v": short(value)} for category, name, value in rows]
    categories = list(dict.fromkeys(str(row["c"]) for row in data))
    names = list(dict.fromkeys(str(row["n"]) for row in data))
    category = alt.Y(
        "c:N", sort=categories, title=None, axis=alt.Axis(labelLimit=_TEXT_LIMIT, ticks=False, domain=False)
    )
    base = alt.Chart(_data(data)).encode(
        category,
        alt.X(
            "v:Q",
            title=value_title,
            axis=alt.Axis(format="~%" if value_format.endswith("%") else "~s", tickCount=5),
            scale=alt.Scale(domain=[0, short(_BESIDE * (max((value for _, _, value in rows), default=0) or 1))]),
        ),
        alt.YOffset("n:N", sort=names),
    )
    colour = alt.Color("n:N", sort=names, scale=alt.Scale(domain=names), title=None, legend=_legend(names))
    tooltip = [
        alt.Tooltip("c:N", title=translated_word("of")),
        alt.Tooltip("n:N", title=translated_word("bar")),
        alt.Tooltip("v:Q", title=translated_word("value"), format=value_format),
    ]
    bars = base.mark_bar(cornerRadiusEnd=3).encode(colour, tooltip=tooltip)
    texts = base.mark_text(align="left", dx=5, fontSize=11).encode(text=alt.Text("v:Q", format=value_format))
    height = _AROUND + (_BAR * len(names) + 9) * len(categories)
    return Chart(title, chart_spec(alt.layer(bars, texts).properties(height=height)), description)


def histogram(
    title: str, description: str, parts: Iterable[tuple[str, Sequence[float], Sequence[int]]], what: str
) -> Chart:
    """Ranges of values and how many there are in each, of several parts on top of each other.

    Args:
        title: What the chart shows.
        description: The same in a sentence.
        parts: `(name, bounds of the ranges, fraction or number in each)`; one bound more than numbers.
        what: What the values are.
    """
    data: ChartRows = [
        {"n": name, "a": short(start), "b": short(end), "v": count}
        for name, bounds, counts in parts
        for start, end, count in zip(bounds[:-1], bounds[1:], counts, strict=True)
    ]
    names = list(dict.fromkeys(str(row["n"]) for row in data))
    chart = (
        alt.Chart(_data(data))
        .mark_bar(opacity=0.65, binSpacing=1)
        .encode(
            alt.X("a:Q", bin="binned", title=what, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(zero=False)),
            alt.X2("b:Q"),
            alt.Y("v:Q", title=translated_word("examples"), axis=alt.Axis(format="~s", tickCount=4), stack=None),
            alt.Color("n:N", sort=names, scale=alt.Scale(domain=names), title=None, legend=_legend(names)),
            tooltip=[
                alt.Tooltip("n:N", title=translated_word("of")),
                alt.Tooltip("a:Q", title=translated_word("from"), format=".4~g"),
                alt.Tooltip("b:Q", title=translated_word("below"), format=".4~g"),
                alt.Tooltip("v:Q", title=translated_word("examples"), format=",d"),
            ],
        )
    )
    return Chart(title, chart_spec(chart.properties(height=170)), description)


def heat_map(
    title: str,
    description: str,
    cells: Mapping[tuple[str, str], float | None],
    *,
    diverging: bool = True,
    value_format: str = "+.2f",
    axes: tuple[str | None, str | None] = (None, None),
    is_wide: bool = False,
) -> Chart:
    """A matrix of coloured cells with their numbers.

    Args:
        title: What the chart shows.
        description: The same in a sentence.
        cells: Values by `(row, column)`, in the order of rows and columns.
        diverging: Whether values are from -1 to 1, with a neutral 0; else from 0 to the highest.
        value_format: Format of values (d3).
        axes: What rows and columns are.
        is_wide: Whether it takes the whole width of the page.
    """
    data: ChartRows = [{"r": row, "c": column, "v": _short_or_none(value)} for (row, column), value in cells.items()]
    rows, columns = (list(dict.fromkeys(pair[side] for pair in cells)) for side in (0, 1))
    low, high = (-1.0, 1.0) if diverging else (0.0, max((value or 0.0 for value in cells.values()), default=1.0) or 1.0)
    scale = alt.Scale(domain=[low, high], range="diverging" if diverging else "heatmap")
    plain: dict[str, Any] = {"labelLimit": _TEXT_LIMIT, "ticks": False, "domain": False, "grid": False}
    few = len(rows) <= _MOST_NUMBERED and len(columns) <= _MOST_NUMBERED
    # Of slanted names Vega leaves out each second one, also where none overlap; upright ones it judges rightly.
    names = alt.Axis(**plain, labelAngle=-45, labelOverlap=False) if few else alt.Axis(**plain, labelAngle=-90)
    base = alt.Chart(_data(data)).encode(
        alt.Y("r:N", sort=rows, title=axes[0], axis=alt.Axis(**plain, titlePadding=10)),
        alt.X("c:N", sort=columns, title=axes[1], axis=names),
    )
    tooltip = [
        alt.Tooltip("r:N", title=axes[0] or translated_word("row")),
        alt.Tooltip("c:N", title=axes[1] or translated_word("column")),
        alt.Tooltip("v:Q", title=translated_word("value"), format=value_format),
    ]
    squares = base.mark_rect(cornerRadius=3).encode(alt.Color("v:Q", scale=scale, legend=None), tooltip=tooltip)
    chart: Any = squares
    if few:
        # What begins with `page:` is a colour of the page's theme.
        contrast = f"abs(datum.v) > {0.6 * max(abs(low), high):g}"
        colour = alt.condition(contrast, alt.value("page:far"), alt.value("page:ink"))
        numbers = base.mark_text(fontSize=11).encode(color=colour, text=alt.Text("v:Q", format=value_format))
        chart = alt.layer(squares, numbers if diverging else numbers.transform_filter("datum.v !== 0"))
    return Chart(title, chart_spec(chart.properties(height=_AROUND + 30 * len(rows))), description, is_wide)


def _points(curves: Iterable[Curve]) -> ChartRows:
    return [
        {"n": curve.name, "s": step, "v": short(value)}
        for curve in curves
        for step, value in curve.series.thinned(MOST_POINTS).points
    ]


def _data(rows: ChartRows) -> alt.InlineData:
    return alt.InlineData(values=rows)


def _legend(names: Sequence[str], symbol: str = "square", *, is_needed: bool | None = None) -> alt.Legend | None:
    if not (len(names) > 1 if is_needed is None else is_needed):
        return None
    shown: dict[str, Any] = {"values": list(names), "symbolType": symbol, "symbolOpacity": 1}
    return alt.Legend(orient="top", labelLimit=_TEXT_LIMIT, **shown)


def short(value: float) -> float:
    """A value with as many digits as a chart can show: pages become smaller."""
    return float(f"{value:.{_DIGITS}g}")


def _short_or_none(value: float | None) -> float | None:
    return None if value is None else short(value)


def chart_spec(chart: Any) -> dict[str, Any]:  # noqa: ANN401 (layered or not, altair's kinds of charts have no common base)
    """The specification, without what the page decides."""
    spec: dict[str, Any] = chart.to_dict()
    return {key: value for key, value in spec.items() if key not in ("config", "$schema")}
