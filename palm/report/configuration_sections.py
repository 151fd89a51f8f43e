"""Section about the configuration: values with their sources, and the keys in which runs differ."""

from collections.abc import Iterator, Sequence

from palm.config.describe import DEFAULT
from palm.report.configuration import differing_values
from palm.report.run_folder import ReadRun
from palm.report.section import Block, Paragraph, Section, Table

HEADER = ("key", "value", "source", "overridden")


def configuration_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """The values of each run, after the differences between runs."""
    blocks: list[Block] = []
    if len(runs) > 1:
        rows = [(row.key, *row.values) for row in differing_values([run.configuration for run in runs])]
        header = ("key", *(run.name for run in runs))
        blocks.append(
            Table("Keys in which the runs differ", header, rows)
            if rows
            else Paragraph("The runs have the same values.")
        )
    for run in runs:
        blocks += _values(run, f" ({run.name})" if len(runs) > 1 else "", is_folded=len(runs) > 1)
    yield Section("configuration", "Configuration", blocks)


def _values(run: ReadRun, of: str, *, is_folded: bool) -> Iterator[Block]:
    values = list(run.configuration.values.values())
    rows = [(value.key, value.value, value.where or None, value.overridden or None) for value in values]
    given = [row for row in rows if row[2] is not None and not row[2].startswith(DEFAULT)]
    defaults = [row for row in rows if row not in given]
    columns = HEADER if any(row[3] for row in given) else HEADER[:3]
    if given:
        short = [row[: len(columns)] for row in given]
        yield Table(f"What was set{of}", columns, short, is_folded=is_folded, texts=frozenset({1}))
    elif rows:
        yield Paragraph(f"Where the values come from is not recorded{of}: the run has no run.json.", is_note=True)
    if defaults:
        title = f"{'All other values' if given else 'Values'}{of}"
        yield Table(title, HEADER[:3], [row[:3] for row in defaults], is_folded=True, texts=frozenset({1}))
