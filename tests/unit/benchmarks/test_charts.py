import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.speed.charts import Axis, line_chart, short

SVG = "{http://www.w3.org/2000/svg}"
SERIES = {"PALM <fused>": [(10, 1.0), (100, 2.0), (1000, 4.0)], "普通": [(10, 2.0)]}


@pytest.mark.parametrize(
    ("value", "text"), [(1e6, "1M"), (10_000, "10k"), (512, "512"), (1500, "1500"), (0.25, "0.25")]
)
def test_numbers_are_short(value, text):
    assert short(value) == text


@pytest.fixture
def chart():
    pytest.importorskip("matplotlib", reason="the extra `bench` draws charts")
    return lambda **keys: line_chart("title & more", Axis("rows", **keys), Axis("seconds"), SERIES)


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.filterwarnings("ignore:Glyph")  # a machine may have no Chinese font to measure the text with
def test_a_chart_has_its_words_and_a_mark_per_point(chart, logarithmic):
    texts = [text.text for text in ElementTree.fromstring(chart(logarithmic=logarithmic)).iter(f"{SVG}text")]
    assert {"title & more", "rows", "seconds", "PALM <fused>", "普通", "10", "100", "1000"} <= set(texts)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_the_same_numbers_give_the_same_text(chart):
    assert chart() == chart()
