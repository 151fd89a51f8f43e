"""What a report shows of spans and of the relations between them."""

from collections.abc import Iterator

from palm.analysis.relation_errors import RELATION_ERRORS
from palm.analysis.relations import RelationAnalysis
from palm.analysis.span_errors import SPAN_ERRORS
from palm.analysis.spans import SpanAnalysis
from palm.report.prediction_charts import SPAN_ERROR_NAMES, span_error_chart
from palm.report.prediction_tables import kinds_table, scores_table
from palm.report.section import Block, Table
from palm.report.words import words

_RELATION_ERROR_NAMES = {
    "missed": "missed",
    "spurious": "spurious",
    "label": "wrong label",
    "direction": "wrong direction",
    "ends": "wrong spans",
}


def span_blocks(spans: SpanAnalysis) -> Iterator[Block]:
    """Errors by kind, confused types, and scores; those of relations after those of spans."""
    if spans.total is not None and any(getattr(spans.total, kind) for kind in SPAN_ERRORS):
        yield span_error_chart(spans)
        yield kinds_table("Errors of spans by kind", "type", (*spans.errors, spans.total), SPAN_ERROR_NAMES)
    if spans.confused:
        confused = [(each.gold, each.predicted, each.count) for each in spans.confused]
        yield Table("Types that are confused", words("gold", "predicted", "spans"), confused)
    if spans.micro is not None and spans.macro is not None:
        yield scores_table("Scores of each type of spans", "type", spans.types, [spans.micro, spans.macro])
    else:
        yield scores_table("Scores of each tag", "tag", spans.tags)
    if spans.relations is not None:
        yield from _relations(spans.relations)


def _relations(relations: RelationAnalysis) -> Iterator[Block]:
    if any(getattr(relations.total, kind) for kind in RELATION_ERRORS):
        errors = (*relations.errors, relations.total)
        yield kinds_table("Errors of relations by kind", "relation", errors, _RELATION_ERROR_NAMES)
    means = [relations.micro, relations.macro]
    yield scores_table("Scores of each relation", "relation", relations.types, means)
