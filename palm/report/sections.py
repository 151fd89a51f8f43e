"""All sections of a report, in the order of the page."""

from collections.abc import Iterator, Sequence

from palm.report.configuration_sections import configuration_sections
from palm.report.curve_sections import curve_sections
from palm.report.data_sections import data_sections
from palm.report.event_sections import event_sections
from palm.report.mix_sections import mix_sections
from palm.report.result_sections import result_sections
from palm.report.run_folder import ReadRun
from palm.report.section import Section, SectionWriter

WRITERS: tuple[SectionWriter, ...] = (
    result_sections,
    curve_sections,
    mix_sections,
    data_sections,
    configuration_sections,
    event_sections,
)


def all_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """The sections that hold anything."""
    for write in WRITERS:
        yield from (section for section in write(runs) if section.blocks)
