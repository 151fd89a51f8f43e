"""The words of a page in the language of its reader: those of its sections, and single ones."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from palm.locale.current import ENGLISH, chosen_language, translated, translated_word
from palm.report.run_folder import RunState
from palm.report.section import Block, Chart, Section, Table

STATES: Mapping[RunState, str] = {
    "training": "still training",
    "ended": "ended",
    "stopped": "stopped before its end",
    "unknown": "end not recorded",
}
SCRIPT_WORDS = {
    "n": "name", "s": "global step", "v": "value", "c": "of", "r": "row", "a": "from", "b": "below", "t": "label",
    "system": "system", "light": "light", "dark": "dark",
}  # fmt: skip
"""Words of report.js: what the fields of charts hold, and the themes."""
PAGE_TEXTS = (
    "PALM report", "Skip to the content", "Theme:", "Sections", "Run", "Overview", "Numbers", "Numbers of {chart}",
    "The charts need JavaScript; everything else is shown without it",
)  # fmt: skip
"""Texts of report.html, which the catalog takes from here."""


def words(*names: str) -> tuple[str, ...]:
    """Words of PALM that stand alone, such as heads of columns; names of the user's stay out of it."""
    return tuple(map(translated_word, names))


def shown_text(text: str) -> str:
    """A heading, or a sentence in which names of the user's may stand."""
    word = translated_word(text)
    return translated(text) if word == text else word


def translated_sections(sections: Iterable[Section]) -> Iterator[Section]:
    """Sections with their titles, sentences and descriptions in the language of the reader.

    Heads and cells of tables and what charts hold is translated where it is made: names of the user's stand beside it.
    """
    for section in sections:
        if chosen_language() == ENGLISH:
            yield section
        else:
            yield replace(section, title=shown_text(section.title), blocks=[*map(_translated, section.blocks)])


def _translated(block: Block) -> Block:
    if isinstance(block, Chart):
        return replace(block, title=shown_text(block.title), description=translated(block.description))
    if isinstance(block, Table):
        return replace(block, title=shown_text(block.title))
    return replace(block, text=translated(block.text))
