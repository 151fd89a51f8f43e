"""A line chart as SVG text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 560, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 44, 52
# Okabe and Ito's colours, which colour-blind readers can distinguish.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STYLE = (
    "text{font:12px sans-serif;fill:#333}.title{font-size:14px;font-weight:bold}"
    ".grid{stroke:#ddd}.axis{stroke:#333}polyline{fill:none;stroke-width:2}"
)


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    Attributes:
        label: The quantity, with its unit.
        logarithmic: Whether equal distances are equal factors.
    """

    label: str
    logarithmic: bool = False


def line_chart(title: str, x: Axis, y: Axis, series: Mapping[str, Points]) -> str:
    """One line per series; the vertical axis starts at 0, and the horizontal one has a mark per point."""
    across = _horizontal(x, sorted({point[0] for points in series.values() for point in points}))
    marks = nice_marks(max(point[1] for points in series.values() for point in points))
    places = {
        name: [(across[point[0]], _vertical(point[1], marks[-1])) for point in points]
        for name, points in series.items()
    }
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 20, title, kind="title"),
        *_grid(marks),
        *(_text(place, _HEIGHT - _BOTTOM + 18, short(value), anchor="middle") for value, place in across.items()),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, x.label, anchor="middle"),
        _text(8, 36, y.label),
    ]
    for number, (name, points) in enumerate(places.items()):
        parts += _line(points, name, number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def nice_marks(largest: float) -> list[float]:
    """0 and round numbers up to at least `largest`."""
    if largest <= 0:
        return [0.0, 1.0]
    rough = largest / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [number * step for number in range(math.ceil(largest / step - 1e-9) + 1)]


def short(value: float) -> str:
    """`1000000` → `1M`, `10000` → `10k`, `0.25` → `0.25`."""
    for power, letter in ((1e6, "M"), (1e3, "k")):
        if value >= power and value >= 10_000:
            return f"{value / power:g}{letter}"
    return f"{value:g}"


def _horizontal(axis: Axis, values: Sequence[float]) -> dict[float, float]:
    """Position of each value."""
    scaled = [math.log(value) if axis.logarithmic else value for value in values]
    span = (scaled[-1] - scaled[0]) or 1.0
    width = _WIDTH - _LEFT - _RIGHT - 20
    return {value: _LEFT + 10 + width * (one - scaled[0]) / span for value, one in zip(values, scaled, strict=True)}


def _vertical(value: float, largest: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * value / largest


def _grid(marks: Sequence[float]) -> list[str]:
    lines = []
    for mark in marks:
        place = _vertical(mark, marks[-1])
        kind = "axis" if mark == 0 else "grid"
        lines.append(f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
        lines.append(_text(_LEFT - 6, place + 4, short(round(mark, 10)), anchor="end"))
    return lines


def _line(points: Points, name: str, number: int) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    beside = _LEFT + 14
    below = _TOP + 16 + 16 * number
    key = f'<rect x="{beside}" y="{below - 9}" width="10" height="10" fill="{colour}"/>'
    return [f'<polyline points="{listed}" stroke="{colour}"/>', *dots, key, _text(beside + 16, below, name)]


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
