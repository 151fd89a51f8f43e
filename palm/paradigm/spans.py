"""Spans: stretches of a text with types, which may lie within each other, such as nested named entities."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast, final

from palm.data.dataset import Batch, Dataset, IntArray, LabelMap, Record
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.comparison import ComparedSpans
from palm.paradigm.decoding import check_classes, class_names, count_classes, examples_by_record
from palm.paradigm.hugging_face import ApiRow, one_entity
from palm.paradigm.nested_spans import (
    ScoredSpan,
    SpanWindow,
    best_cells,
    compare_nested_spans,
    merge_relations,
    merge_windows,
)
from palm.paradigm.output_distance import summed_kl_by_label
from palm.paradigm.span_relations import (
    FEATURES,
    OUTPUTS,
    TYPES,
    WEIGHTS,
    best_pairs,
    build_relations,
    relation_outputs,
    score_gold_pairs,
    score_pairs,
)
from palm.paradigm.span_scorers import SCORERS, Scorer, SpanScorerFields, gold_cells, mask_spans
from palm.schema.fields import BackboneFields, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


@final
@PARADIGMS.register("spans")
class NestedSpans(Paradigm):
    """Dropout and a score of every span for each type; with `global_pointer` a mean loss per text, else per token.

    Texts of several windows count as several.
    """

    Config: ClassVar[type[ParadigmFields]] = SpanScorerFields
    decode_columns: ClassVar[tuple[str, ...]] = ("token_start", "token_end", "window_start")
    answer_kind = "spans"
    config: SpanScorerFields
    pipeline_tag: ClassVar[str | None] = "token-classification"

    def __init__(
        self, config: SpanScorerFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        check_classes(config.n_classes, labels)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("nested_span_f1", "relation_f1") if self._relations else ("nested_span_f1",)

    def reader_inputs(self, phase: Phase) -> Specs:
        mask = {"input_mask": Spec("batch seq", "float32")}
        gold = ("span_labels", "relation_labels") if self._relations else ("span_labels",)
        return mask if phase == "predict" else {**mask, **{name: Spec("batch span part", "int64") for name in gold}}

    def backbone_inputs(self) -> Specs:
        return {"encoder_outputs": Spec("batch seq hidden", "float32")}

    def outputs_attr(self, phase: Phase) -> Specs:
        logits = {"span_logits": Spec("batch class seq seq", "float32")}
        if not self._relations:
            return logits
        weights = {TYPES: Spec("class type_feature", "float32"), WEIGHTS: Spec("side relation_side", "float32")}
        return {**logits, FEATURES: Spec("batch seq feature", "float32"), **weights}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        config, numbers = self.config, (backbone.hidden_size, self._count_types(), len(self._relations))
        return ("spans", *numbers, config.span_scorer, config.span_head_size)

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        config, types = self.config, self._count_types()
        layers = self._scorer.build(config, backbone.hidden_size, types)
        if self._relations:
            numbers = config.span_head_size, backbone.hidden_size, types, len(self._relations)
            layers.update(build_relations(*numbers, config.initializer_range))
        return layers

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        from palm.kernels import plain

        dropout = self.config.dropout_prob if phase == "train" else 0.0
        features = plain.dropout(inputs["encoder_outputs"], dropout)
        scores = self._scorer.score(layers, features, self._count_types())  # [batch class seq seq]
        related = relation_outputs(layers, features) if self._relations else {}
        return {"span_logits": mask_spans(scores, inputs["input_mask"]), **related}

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        scores = outputs["span_logits"]
        total = self._scorer.sum_losses(scores, gold_cells(inputs["span_labels"], scores.shape))
        if self._relations:
            pairs = score_gold_pairs(outputs, inputs["span_labels"])  # [batch relation span span]
            total = total + self._scorer.sum_losses(pairs, gold_cells(inputs["relation_labels"], pairs.shape))
        return total / self._number_of_losses(inputs)

    def count_losses(self, batch: Batch, examples: int) -> int:
        return int(batch["input_mask"].sum()) if self._scorer.is_per_token else examples

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        """Each type of each span is a separate distribution; their divergences are summed, and averaged as the loss."""
        return summed_kl_by_label(one["span_logits"], other["span_logits"]) / self._number_of_losses(inputs)

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        """The spans that are predicted of each example (`best_cells`); all scores would fill the memory."""
        lengths = batch["input_mask"].sum(axis=1).astype("int64").tolist()
        return [self._candidates(outputs, row, length) for row, length in enumerate(lengths)]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "spans": [{"type", "start", "end", "text", "score"}]}` per record, in characters of the text.

        `score` is the logit of the type over none between 0 and 1: 0.5 at `span_threshold: 0`. A task with relations
        also has `relations`: `[{"type", "head", "tail", "score"}]`, by the numbers of the spans.
        """
        groups = examples_by_record(dataset)
        return [self._prediction(dataset, index, rows, outputs) for index, rows in enumerate(groups)]

    def gold_records(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records with their gold spans as `spans`."""
        return [{**record, "spans": record["label"]} if "label" in record else record for record in records]

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedSpans:
        return compare_nested_spans(predictions, records, with_relations=bool(self._relations))

    @property
    def uncalibrated(self) -> str | None:
        return "the scores of spans are no probabilities"

    @property
    def incomparable(self) -> str | None:
        return None

    def describe(self, prediction: Prediction) -> list[str]:
        """The spans with their types, and the relations between them."""
        spans = cast("Sequence[Mapping[str, object]]", prediction["spans"])
        relations = cast("Sequence[Mapping[str, Any]]", prediction.get("relations", ()))
        lines = [f"{span['type']}: {span['text']}" for span in spans] or ["(no span)"]
        return lines + [
            f"{spans[one['head']]['text']} —{one['type']}→ {spans[one['tail']]['text']}" for one in relations
        ]

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """`[{"entity_group", "score", "word", "start", "end"}]`, in characters of the text."""
        spans = cast("Sequence[Mapping[str, object]]", prediction["spans"])
        return [one_entity(span, span["start"], span["end"]) for span in spans]

    @property
    def _scorer(self) -> Scorer:
        return SCORERS[self.config.span_scorer]

    def _number_of_losses(self, inputs: "Mapping[str, Tensor]") -> "Tensor | int":
        mask = inputs["input_mask"]
        return mask.sum() if self._scorer.is_per_token else int(mask.shape[0])

    @property
    def _relations(self) -> tuple[str, ...]:
        return self.labels.relations if self.labels else ()

    def _candidates(self, outputs: Outputs, row: int, length: int) -> Outputs:
        is_exclusive = self._scorer.is_exclusive
        scores = outputs["span_logits"][row, :, :length, :length]
        found = best_cells(scores, self.config.span_threshold, is_exclusive=is_exclusive)
        if not self._relations:
            return found
        own = {name: outputs[name][row] if name == FEATURES else outputs[name] for name in OUTPUTS}
        return {**found, **best_pairs(score_pairs(own, found), length, is_exclusive=is_exclusive)}

    def _prediction(self, dataset: Dataset, index: int, rows: IntArray, outputs: Sequence[Outputs]) -> Prediction:
        starts, ends, first = dataset.ragged("token_start"), dataset.ragged("token_end"), dataset.array("window_start")
        windows = [SpanWindow(outputs[row], starts[row], ends[row], int(first[row])) for row in rows]
        found = merge_windows(windows, is_exclusive=self._scorer.is_exclusive)
        prediction: Prediction = {"index": index, "spans": self._spans(dataset, index, found)}
        if self._relations:
            prediction["relations"] = [
                {"type": self._relations[one.type], "head": one.head, "tail": one.tail, "score": one.score}
                for one in merge_relations(windows, found)
            ]
        return prediction

    def _spans(self, dataset: Dataset, index: int, found: Sequence[ScoredSpan]) -> list[dict[str, object]]:
        text, names = str(dataset.records[index]["text_a"]), class_names(self.labels, self._count_types())
        return [
            {"type": names[span.type], "start": span.start, "end": span.end, "text": text[span.start : span.end]}
            | {"score": span.score}
            for span in found
        ]

    def _count_types(self) -> int:
        return count_classes(self.config.n_classes, self.labels)
