"""The colours of curves differ enough from what they lie on, and from each other for those who see fewer colours."""

import re
from itertools import combinations
from pathlib import Path

import palm
from tests.unit.inference.serving.test_palette import THEMES, contrast, palette

PAGE = Path(palm.__file__).parent / "report" / "page"
_PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")


def colours():
    styles = [(PAGE / name).read_text(encoding="utf-8") for name in ("curves.css", "report.css")]
    found = _PAIR.findall("".join(styles))
    return {name: dict(zip(THEMES, pair, strict=True)) for name, *pair in found}


def test_curves_are_seen_on_their_panel():
    series = {name: pair for name, pair in colours().items() if name.startswith("series")}
    assert len(series) == 8
    panel = palette()["panel"]
    # https://www.w3.org/TR/WCAG22/#non-text-contrast
    low = {(name, theme): contrast(pair[theme], panel[theme]) for name, pair in series.items() for theme in THEMES}
    assert {where: round(value, 2) for where, value in low.items() if value < 3} == {}


def test_numbers_are_read_on_the_full_colour_of_a_matrix():
    far = colours()["far"]
    for theme in THEMES:
        assert min(contrast(far[theme], colours()[name][theme]) for name in ("series-0", "series-1")) >= 4.5


def test_no_two_curves_have_the_same_colour():
    for theme in THEMES:
        values = [pair[theme] for name, pair in colours().items() if name.startswith("series")]
        assert all(one != other for one, other in combinations(values, 2))
