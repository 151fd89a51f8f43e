"""The spans and relations of a row in words, and what is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from palm.analysis.relation_errors import RelationError
from palm.analysis.span_errors import SpanError
from palm.data.spans import Relation, Span

_KINDS = {
    "label": "wrong label",
    "boundary": "wrong boundary",
    "both": "wrong label and boundary",
    "direction": "wrong direction",
    "ends": "wrong spans",
}


@dataclass(frozen=True)
class RowWords:
    """The words of a row.

    Attributes:
        words: The words, or characters.
        glue: What stands between two of them.
    """

    words: Sequence[str]
    glue: str

    def listed(self, spans: Sequence[Span], relations: Sequence[Relation] = ()) -> str:
        """`PER: 安娜; LOC: 北京; 安娜 —lives_in→ 北京`."""
        of_spans = (f"{span.type}: {self._text(span)}" for span in spans)
        return "; ".join([*of_spans, *map(self._related, relations)])

    def span_error(self, error: SpanError) -> str:
        """`wrong boundary: LOC 北京 → LOC 北京市`."""
        sides = [f"{span.type} {self._text(span)}" for span in (error.gold, error.predicted) if span]
        return f"{_KINDS.get(error.kind, error.kind)}: {' → '.join(sides)}"

    def relation_error(self, error: RelationError) -> str:
        """`wrong label: 安娜 —lives_in→ 北京, predicted 安娜 —works_in→ 北京`."""
        sides = [self._related(one) for one in (error.gold, error.predicted) if one]
        return f"{_KINDS.get(error.kind, error.kind)}: {', predicted '.join(sides)}"

    def _related(self, relation: Relation) -> str:
        return f"{self._text(relation.head)} —{relation.type}→ {self._text(relation.tail)}"

    def _text(self, span: Span) -> str:
        return self.glue.join(self.words[span.start : span.end])
