import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.speed.charts import Axis, line_chart, nice_marks, short

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("largest", "marks"),
    [
        (10, [0, 2, 4, 6, 8, 10]),
        (11, [0, 5, 10, 15]),
        (0.9, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (500, [0, 100, 200, 300, 400, 500]),
        (0, [0, 1]),
    ],
)
def test_marks_are_round_and_reach_the_largest(largest, marks):
    assert nice_marks(largest) == pytest.approx(marks)


@pytest.mark.parametrize(
    ("value", "text"), [(1e6, "1M"), (10_000, "10k"), (512, "512"), (1500, "1500"), (0.25, "0.25")]
)
def test_numbers_are_short(value, text):
    assert short(value) == text


def chart(**keys):
    series = {"PALM <fused>": [(10, 1.0), (100, 2.0), (1000, 4.0)], "普通": [(10, 2.0)]}
    return ElementTree.fromstring(line_chart("title & more", Axis("rows", **keys), Axis("seconds"), series))


def places(root):
    line = root.find(f"{SVG}polyline").get("points")
    return [tuple(float(number) for number in pair.split(",")) for pair in line.split()]


def test_names_and_title_are_in_the_chart_whatever_they_hold():
    texts = [element.text for element in chart().iter(f"{SVG}text")]

    assert {"title & more", "rows", "seconds", "PALM <fused>", "普通", "10", "100", "1000"} <= set(texts)


def test_heights_are_proportional_from_zero():
    root = chart()
    zero = float(root.find(f"{SVG}line[@class='axis']").get("y1"))
    heights = [zero - y for _, y in places(root)]

    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert heights[2] == pytest.approx(4 * heights[0], abs=0.2)


def test_equal_factors_are_equal_distances_on_a_logarithmic_axis():
    linear, logarithmic = ([x for x, _ in places(chart(logarithmic=log))] for log in (False, True))

    assert logarithmic[1] - logarithmic[0] == pytest.approx(logarithmic[2] - logarithmic[1], abs=0.2)
    assert (linear[2] - linear[1]) == pytest.approx(10 * (linear[1] - linear[0]), abs=1)
