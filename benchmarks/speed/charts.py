"""A line chart as SVG, by matplotlib."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Points = Sequence[tuple[float, float]]

_SIZE = (7.0, 4.2)  # inches
# Okabe and Ito's colours, which colour-blind readers can distinguish.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


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
    """One line per series; the vertical axis starts at 0, and the horizontal one has a mark per point.

    The same numbers give the same text.
    """
    import matplotlib as mpl  # noqa: PLC0415 (an extra, only needed here)
    from matplotlib.figure import Figure  # noqa: PLC0415 (as above)

    with mpl.rc_context({"svg.hashsalt": "palm", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        for number, (name, points) in enumerate(series.items()):
            across, up = zip(*points, strict=True)
            axes.plot(across, up, marker="o", markersize=4, label=name, color=_COLOURS[number % len(_COLOURS)])
        if x.logarithmic:
            axes.set_xscale("log")
        marks = sorted({point[0] for points in series.values() for point in points})
        axes.set_xticks(marks, [short(mark) for mark in marks])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set(title=title, xlabel=x.label, ylabel=y.label)
        axes.grid(visible=True, color="#dddddd")
        axes.legend()
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def short(value: float) -> str:
    """`1000000` → `1M`, `10000` → `10k`, `0.25` → `0.25`."""
    for power, letter in ((1e6, "M"), (1e3, "k")):
        if value >= power and value >= 10_000:
            return f"{value / power:g}{letter}"
    return f"{value:g}"
