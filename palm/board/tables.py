"""The tables of `palm report` as JSON: results, mix, events and configuration of the chosen runs."""

from collections.abc import Iterator, Sequence

from palm.report.configuration_sections import configuration_sections
from palm.report.event_sections import event_sections
from palm.report.result_sections import result_sections
from palm.report.run_folder import ReadRun
from palm.report.section import Cell, Paragraph, Section, Table
from palm.report.words import translated_sections, words


def sections_as_json(runs: Sequence[ReadRun]) -> list[dict[str, object]]:
    """The sections, each with its blocks; charts are left to the page."""
    sections = (*result_sections(runs), *_mix(runs), *event_sections(runs), *configuration_sections(runs))
    found = ((section, list(_blocks(section))) for section in translated_sections(sections))
    return [{"key": section.key, "title": section.title, "blocks": blocks} for section, blocks in found if blocks]


def _blocks(section: Section) -> Iterator[dict[str, object]]:
    for block in section.blocks:
        if isinstance(block, Paragraph):
            yield {"text": block.text, "is_note": block.is_note}
        elif isinstance(block, Table):
            yield {
                "title": block.title,
                "header": list(block.header),
                "rows": [list(row) for row in block.rows],
                "best": sorted(block.best),
                "is_folded": block.is_folded,
            }


def _mix(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """How often each task was asked to be trained, and was."""
    tables = []
    for run in runs:
        rows: list[tuple[Cell, ...]] = [
            (name, None if mix.asked is None else f"{mix.asked:.1%}", f"{mix.achieved:.1%}", mix.steps)
            for name, mix in run.mix().items()
        ]
        if len(rows) > 1:
            of = f" ({run.name})" if len(runs) > 1 else ""
            tables.append(Table(f"Steps of the tasks{of}", words("task", "asked", "achieved", "steps"), rows))
    yield Section("mix", "Mix of the tasks", tables)
