"""The page of a report: one HTML file that asks for nothing else, with a policy that forbids it to."""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from palm.analysis.packages import page_package
from palm.locale.current import TAGS, chosen_language, translated, translated_word
from palm.report.blocks import grouped, kind_of_cell, number_columns, shown_cell
from palm.report.configuration_sections import configuration_sections
from palm.report.curve_sections import curve_sections
from palm.report.data_sections import data_sections
from palm.report.event_sections import event_sections
from palm.report.header import cards_of, facts_of
from palm.report.mix_sections import mix_sections
from palm.report.prediction_sections import prediction_sections
from palm.report.result_sections import result_sections
from palm.report.run_folder import ReadRun
from palm.report.search_sections import ReadSearch, search_sections
from palm.report.section import Chart, Paragraph, Section, SectionWriter, Table
from palm.report.words import SCRIPT_WORDS, STATES, translated_sections, words
from palm.storage.layout import PALM_VERSION

VEGA_LITE = "6.4"
"""The version that altair's specifications are for."""

WRITERS: tuple[SectionWriter, ...] = (
    result_sections,
    curve_sections,
    mix_sections,
    prediction_sections,
    data_sections,
    configuration_sections,
    event_sections,
)
"""What makes the sections of a report, in the order of the page."""

_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_LARGE = 12  # rows of a table from which on it scrolls


def render_page(
    runs: Sequence[ReadRun], sections: Sequence[Section], *, made: str, searches: Sequence[ReadSearch] = ()
) -> str:
    """The page, in the language of the reader (`in_language`).

    Args:
        runs: The runs that it is about.
        sections: What it shows of them.
        made: When and by what it is made, for the last line.
        searches: The searches that it is about, besides the runs.
    """
    jinja2 = page_package("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_own_file), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.tests |= {kind.__name__.lower(): kind.__instancecheck__ for kind in (Chart, Table, Paragraph)}
    charts = [block for section in sections for block in section.blocks if isinstance(block, Chart)]
    numbers = {id(chart): number for number, chart in enumerate(charts)}
    scripts, style = [library(), _own_file("report.js")], _style()
    text: str = environment.get_template("report.html").render(
        title=" · ".join([*(search.name for search in searches), *(run.name for run in runs)]),
        runs=runs,
        headers=[(run, list(facts_of(run)), list(cards_of(run))) for run in runs],
        sections=[(section, grouped(section.blocks)) for section in sections],
        number_of=lambda chart: numbers[id(chart)],
        kind_of_cell=kind_of_cell,
        number_columns=number_columns,
        shown_cell=shown_cell,
        is_large=lambda table: len(table.rows) > _LARGE,
        charts=_in_script([chart.spec for chart in charts]),
        icon=_data_url("image/svg+xml", _palette_file("palm.svg")),
        scripts=scripts,
        style=style,
        policy=policy(scripts, style),
        made=made,
        language=TAGS[chosen_language()],
        said=translated,
        word=translated_word,
        states=dict(zip(STATES, words(*STATES.values()), strict=True)),
        words=_in_script(dict(zip(SCRIPT_WORDS, words(*SCRIPT_WORDS.values()), strict=True))),
        version=PALM_VERSION,
    )
    return text


def policy(scripts: Sequence[str], style: str) -> str:
    """A content security policy that allows these scripts, this style and inlined pictures, and nothing else."""
    allowed = " ".join(_hash(script) for script in scripts)
    parts = {
        "default-src": "'none'",
        "script-src": allowed,
        "style-src": _hash(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def all_sections(runs: Sequence[ReadRun], searches: Sequence[ReadSearch] = ()) -> Iterator[Section]:
    """The sections that hold anything, in the order of the page and the language of the reader."""
    yield from translated_sections(search_sections(searches))
    for write in WRITERS:
        yield from translated_sections(section for section in write(runs) if section.blocks)


@cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, which defines `vegaEmbed`."""
    return safe_in_script(str(page_package("vl_convert").javascript_bundle(vl_version=VEGA_LITE)))


def safe_in_script(text: str) -> str:
    """A script whose literals cannot end its element."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _in_script(content: Any) -> Any:  # noqa: ANN401 (any JSON; jinja2's Markup)
    """JSON for an element of data: no `<` of a task's name can end it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return page_package("markupsafe").Markup(text.translate(_ESCAPES))  # nosec B704


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _data_url(kind: str, text: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode('utf-8')).decode()}"


def _own_file(name: str) -> str:
    return (files("palm.report") / "page" / name).read_text(encoding="utf-8")


def _palette_file(name: str) -> str:
    """A file of the page of `palm serve`, with which this one has its colours in common."""
    return (files("palm.inference.serving") / "page" / name).read_text(encoding="utf-8")


def _style() -> str:
    return _palette_file("palette.css") + _own_file("curves.css") + _own_file("report.css")
