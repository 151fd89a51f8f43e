import math

import pytest

pytest.importorskip("altair")

from palm.report.charts import MOST_POINTS, Curve, Mark, bar_chart, curve_chart, heat_map, histogram, value_range
from palm.report.series import Series

LONG = Series.of((step, math.sin(step)) for step in range(5000))
SHORT = Series.of([(1, 0.5), (2, 1 / 3)])


def rows_of(chart):
    return [row for rows in chart.spec["datasets"].values() for row in rows]


def test_curves_are_thinned_and_their_values_are_short():
    chart = curve_chart(
        "t", "d", [Curve("训练", LONG, is_faint=True), Curve("训练", LONG.smoothed()), Curve("dev", SHORT)]
    )
    rows = rows_of(chart)
    assert {"n": "dev", "s": 2, "v": 0.33333} in rows
    assert 2 * MOST_POINTS * 0.8 < len(rows) <= 2 * (MOST_POINTS + 2) + 2
    assert chart.spec["layer"][0]["mark"]["opacity"] < 1
    assert (chart.title, chart.description, chart.is_wide) == ("t", "d", False)


def test_the_range_of_values_has_room_for_labels_and_no_negative_numbers():
    assert value_range([Curve("a", SHORT)], from_zero=True) == [0.0, 0.57]
    low, high = value_range([Curve("a", Series.of([(1, -1.0), (2, 1.0)]))], from_zero=False)
    assert (low, high) == (-1.08, 1.28)
    constant = value_range([Curve("a", Series.of([(1, 3.0), (2, float("inf"))]))], from_zero=False)
    assert constant[0] < 3.0 < constant[1]
    assert value_range([], from_zero=False) == [0.0, 1.14]


def test_the_best_is_marked():
    chart = curve_chart("t", "d", [Curve("f1", SHORT)], marks=[Mark("f1", 1, 0.5, "0.5000")])
    assert {"n": "f1", "s": 1, "v": 0.5, "t": "0.5000"} in rows_of(chart)
    assert [layer["mark"]["type"] for layer in chart.spec["layer"]] == ["line", "point", "point", "text"]


def test_one_curve_needs_no_legend_and_empty_ones_are_left_out():
    chart = curve_chart("t", "d", [Curve("a", SHORT), Curve("b", Series())])
    assert chart.spec["layer"][0]["encoding"]["color"]["legend"] is None
    two = curve_chart("t", "d", [Curve("a", SHORT), Curve("b", SHORT)])
    assert two.spec["layer"][0]["encoding"]["color"]["legend"]["orient"] == "top"


def test_a_run_has_its_colour_in_charts_that_do_not_show_all_runs():
    chart = curve_chart("t", "d", [Curve("b", SHORT)], names=["a", "b"])
    colour = chart.spec["layer"][0]["encoding"]["color"]
    assert colour["scale"]["domain"] == ["a", "b"]
    assert colour["legend"]["values"] == ["b"]


def test_names_are_data_and_never_names_of_fields():
    odd = "a.b[0] 'c' \"d\" </script>"
    chart = curve_chart("t", "d", [Curve(odd, SHORT)], marks=[Mark(odd, 1, 0.5, odd)])
    fields = {
        channel["field"]
        for layer in chart.spec["layer"]
        for channel in layer["encoding"].values()
        if isinstance(channel, dict) and "field" in channel
    }
    assert fields <= {"n", "s", "v", "t"}


@pytest.mark.parametrize(
    "chart",
    [
        curve_chart("t", "d", [Curve("a", SHORT)]),
        bar_chart("t", "d", [("意图", "asked", 0.5), ("意图", "achieved", 0.25)]),
        histogram("t", "d", [("training", [1, 2, 3], [4, 0])], "tokens"),
        heat_map("t", "d", {("a", "a"): 1.0, ("a", "b"): None, ("b", "a"): -0.25, ("b", "b"): 1.0}),
        heat_map("t", "d", {("a", "b"): 12.0}, diverging=False, value_format="d", axes=("gold", "predicted")),
    ],
    ids=["curves", "bars", "histogram", "cosines", "confusion"],
)
def test_a_specification_compiles_and_leaves_size_and_colours_to_the_page(chart):
    converter = pytest.importorskip("vl_convert")
    assert not {"config", "width", "$schema"} & chart.spec.keys()
    assert "marks" in converter.vegalite_to_vega({**chart.spec, "width": 300}, vl_version="6.4")


def test_cells_of_a_large_matrix_have_no_numbers():
    names = [f"task {number}" for number in range(17)]
    large = heat_map("t", "d", {(one, other): 0.5 for one in names for other in names})
    assert "layer" not in large.spec
    assert heat_map("t", "d", {("a", "b"): None}, diverging=False).spec["layer"][0]["encoding"]["color"]["scale"][
        "domain"
    ] == [0.0, 1.0]
