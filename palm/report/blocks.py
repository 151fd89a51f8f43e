"""How blocks stand in a page: charts side by side, and the cells of tables."""

from collections.abc import Sequence

from palm.report.section import Block, Chart, Table


def grouped(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """Blocks in their order: charts that stand side by side together, `charts`, and each other block, `block`."""
    groups: list[tuple[str, list[Block]]] = []
    for block in blocks:
        if isinstance(block, Chart) and groups and groups[-1][0] == "charts":
            groups[-1][1].append(block)
        else:
            groups.append(("charts" if isinstance(block, Chart) else "block", [block]))
    return groups


def kind_of_cell(table: Table, numbers: frozenset[int], row: int, column: int) -> str:
    """The classes of a cell: of a number, of a long text, of the best of its row."""
    kinds = {
        "number": column in numbers,
        "text": column in table.texts,
        "best": (row, column) in table.best,
    }
    return " ".join(kind for kind, holds in kinds.items() if holds)


def number_columns(table: Table) -> frozenset[int]:
    """The columns that hold numbers and nothing else."""
    columns = {
        column: [row[column] for row in table.rows if row[column] is not None]
        for column in range(len(table.header))
        if column not in table.texts
    }
    return frozenset(column for column, values in columns.items() if values and all(map(is_number, values)))


def is_number(value: object) -> bool:
    """Whether a cell holds a number, possibly as text."""
    if isinstance(value, str):
        return value == "–" or value.removesuffix("%").lstrip("+-").replace(".", "", 1).isdecimal()
    return isinstance(value, int | float)


def shown_cell(value: object) -> str:
    """A cell as text."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
