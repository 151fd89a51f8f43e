"""What a page is made of: sections of texts, tables and charts. Whoever knows something of a run adds a section."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from palm.report.run_folder import ReadRun

Cell = str | int | float | None
"""A cell of a table: text, or a number, which is aligned to the right; None for nothing."""


@dataclass(frozen=True)
class Paragraph:
    """A text, without markup: everything in it is shown as it stands.

    Attributes:
        text: The text.
        is_note: Whether it is about what is missing or limited, and shown as such.
    """

    text: str
    is_note: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: What it shows, its caption.
        header: Names of its columns.
        rows: Its rows, each as long as `header`.
        best: `(row, column)` of cells to mark as the best ones.
        is_folded: Whether it is closed at first, because it is long.
        texts: Columns that hold texts of rows, which may be long and of any script, and get more room.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    best: frozenset[tuple[int, int]] = frozenset()
    is_folded: bool = False
    texts: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows, its caption.
        spec: A Vega-Lite specification with its data, without width, background and colours of text, which are the
            page's; `palm.report.charts` makes them.
        description: What it shows in a sentence, for those who do not see it.
        is_wide: Whether it takes the whole width of the page.
    """

    title: str
    spec: Mapping[str, object]
    description: str
    is_wide: bool = False


Block = Paragraph | Table | Chart
"""A part of a section."""


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        key: Its anchor: lower-case letters, digits and hyphens, unique in the page.
        title: Its title.
        blocks: What it holds, in order; a section without any is left out.
    """

    key: str
    title: str
    blocks: Sequence[Block]


SectionWriter = Callable[[Sequence[ReadRun]], Iterable[Section]]
"""Makes sections from the runs of a report: none where the runs know nothing of its matter."""
