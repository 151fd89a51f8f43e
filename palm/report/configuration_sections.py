"""Section about the configuration: values with their sources, and the keys in which runs differ."""

from collections.abc import Iterator, Sequence

from palm.config.describe import DEFAULT
from palm.locale.current import translated_word
from palm.report.configuration import ConfiguredValue, differing_values
from palm.report.run_folder import ReadRun
from palm.report.section import Block, Cell, Paragraph, Section, Table
from palm.report.words import shown_text, words

HEADER = ("key", "value", "source", "overridden")


def configuration_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """The values of each run, after the differences between runs."""
    blocks: list[Block] = []
    if len(runs) > 1:
        rows = [(row.key, *row.values) for row in differing_values([run.configuration for run in runs])]
        header = (translated_word("key"), *(run.name for run in runs))
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
    given = [value for value in values if value.where and not value.where.startswith(DEFAULT)]
    defaults = [_row(value)[:3] for value in values if value not in given]
    rows = [_row(value) for value in given]
    columns = words(*(HEADER if any(value.overridden for value in given) else HEADER[:3]))
    if given:
        short = [row[: len(columns)] for row in rows]
        yield Table(f"What was set{of}", columns, short, is_folded=is_folded, texts=frozenset({1}))
    elif values:
        yield Paragraph(f"Where the values come from is not recorded{of}: the run has no run.json.", is_note=True)
    if defaults:
        title = f"{'All other values' if given else 'Values'}{of}"
        yield Table(title, words(*HEADER[:3]), defaults, is_folded=True, texts=frozenset({1}))


def _row(value: ConfiguredValue) -> tuple[Cell, ...]:
    return (value.key, value.value, shown_text(value.where) or None, shown_text(value.overridden) or None)
