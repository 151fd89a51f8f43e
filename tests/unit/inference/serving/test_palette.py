"""The colours of the page have the contrast of WCAG AA in both themes."""

import re
from pathlib import Path

import pytest

import palm

PALETTE = Path(palm.__file__).parent / "inference" / "serving" / "page" / "palette.css"
_PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
THEMES = ("light", "dark")
TEXTS = [
    *((ink, ground) for ink in ("ink", "soft", "accent") for ground in ("paper", "panel", "sunk")),
    *((ink, "accent-tint") for ink in ("ink", "soft", "accent")),
    ("on-accent", "accent"), ("on-accent", "accent-hover"),
    ("warning-ink", "warning-tint"), ("error-ink", "error-tint"), ("ink", "error-tint"),
    *((ink, f"hue-{number}-tint") for number in range(8) for ink in ("ink", f"hue-{number}-ink")),
    *((f"hue-{number}-ink", "paper") for number in range(8)),
]  # fmt: skip
# Borders of fields and bars that say something: https://www.w3.org/TR/WCAG22/#non-text-contrast
SHAPES = [
    ("field-line", "paper"), ("field-line", "panel"), ("bar", "paper"), ("accent", "paper"), ("accent", "panel"),
]  # fmt: skip


def palette():
    found = _PAIR.findall(PALETTE.read_text(encoding="utf-8"))
    return {name: dict(zip(THEMES, colours, strict=True)) for name, *colours in found}


def luminance(colour):
    """Relative luminance: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_of_known_colours():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # the lightest grey that is enough on white


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("pairs", "least"), [(TEXTS, 4.5), (SHAPES, 3.0)], ids=["texts", "shapes"])
def test_contrast_is_enough(theme, pairs, least):
    colours = palette()
    found = {pair: contrast(colours[pair[0]][theme], colours[pair[1]][theme]) for pair in pairs}
    assert {pair: round(value, 2) for pair, value in found.items() if value < least} == {}


def test_every_colour_is_checked():
    checked = {name for pairs in (TEXTS, SHAPES) for pair in pairs for name in pair}
    assert palette().keys() - checked == {"line", "bar-other"}  # lines and bars whose number stands beside them
