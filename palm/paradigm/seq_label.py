"""Sequence labelling: one label per word, such as the BIO tags of named entities."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast, final

import numpy as np
from pydantic import Field, model_validator

from palm.data.dataset import UNLABELLED, Batch, Dataset, IntArray, LabelMap, Record
from palm.data.lemma_rules import apply_rule, are_rules
from palm.data.spans import OUTSIDE_PARTS, Span, spans_of, strict_patterns
from palm.data.tag_schemes import OUTSIDE, TagScheme, describe_scheme, older_scheme, says_more_than_bio
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction, TransformersHead
from palm.paradigm.comparison import ComparedSpans, ScoredLabels
from palm.paradigm.crf import build_transitions, crf_loss, viterbi
from palm.paradigm.decoding import check_classes, class_names, count_classes, examples_by_record
from palm.paradigm.hugging_face import ApiRow, one_entity
from palm.paradigm.layers import HeadFields, build_head, head_form, head_logits
from palm.paradigm.losses import ClassLossFields, class_loss, weight_of_labels, weights_by_class
from palm.schema.facts import Key
from palm.schema.fields import BackboneFields, ClassCountFields, ParadigmFields, TagSchemeFields
from palm.spec import Phase, Spec, Specs

LOG = logging.getLogger(__name__)

if TYPE_CHECKING:
    from paddle import Tensor, nn


class TaggingFields(HeadFields, ClassLossFields, ClassCountFields, TagSchemeFields):
    """Keys of the paradigm `seq_label`."""

    for_cn: Annotated[bool, Key(export="fixed")] = Field(
        False, description="Chinese mode: answers and tags are handled by character."
    )

    @property
    def has_crf(self) -> bool:
        """Whether label sequences are scored as a whole."""
        return self.head in ("crf", "bilstm_crf")

    @model_validator(mode="after")
    def _check_crf(self) -> "TaggingFields":
        if self.has_crf and (self.class_weights or self.label_smoothing or self.focal_gamma):
            rule = (
                f"class_weights, label_smoothing and focal_gamma apply to losses per word, `head: {self.head}` has none"
            )
            raise ValueError(rule)
        return self


@final
@PARADIGMS.register("seq_label")
class Tagging(Paradigm):
    """Dropout and a linear layer on every token; cross entropy, averaged over the tokens with a label.

    With a CRF the loss is the negative log likelihood of each text's labels, averaged over the same tokens.
    """

    Config: ClassVar[type[ParadigmFields]] = TaggingFields
    decode_columns: ClassVar[tuple[str, ...]] = ("word_index",)
    answer_kind = "spans"
    config: TaggingFields
    pipeline_tag: ClassVar[str | None] = "token-classification"

    def __init__(
        self, config: TaggingFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        check_classes(config.n_classes, labels)
        self._weights = weights_by_class(config, labels, config.n_classes)
        self._scheme = _scheme_of(config, labels)
        self._has_lemmas = labels is not None and are_rules(labels.names)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("span_f1", "sentence_accuracy")

    def reader_inputs(self, phase: Phase) -> Specs:
        mask = {"input_mask": Spec("batch seq", "float32")}
        return mask if phase == "predict" else mask | {"label_ids": Spec("batch seq", "int64")}

    def backbone_inputs(self) -> Specs:
        return {"encoder_outputs": Spec("batch seq hidden", "float32")}

    def outputs_attr(self, phase: Phase) -> Specs:
        logits = {"logits": Spec("batch seq class", "float32")}
        return {**logits, "transitions": Spec("before class", "float32")} if self.config.has_crf else logits

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("seq_label", backbone.hidden_size, self._count_classes(), *head_form(self.config))

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        layers = build_head(self.config, backbone.hidden_size, self._count_classes())
        if self.config.has_crf:
            layers["transitions"] = build_transitions(self._count_classes(), self.config.initializer_range)
        return layers

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        dropout = self.config.dropout_prob if phase == "train" else 0.0
        lengths = inputs["input_mask"].sum(1).astype("int64") if hasattr(layers, "lstm") else None
        logits = head_logits(layers, inputs["encoder_outputs"], dropout, lengths=lengths)  # [batch seq class]
        return {"logits": logits} | ({"transitions": layers.transitions.weight} if self.config.has_crf else {})

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        if self.config.has_crf:
            return crf_loss(outputs["logits"], inputs["label_ids"], outputs["transitions"])
        logits = outputs["logits"].flatten(0, 1)  # [batch*seq class]
        return class_loss(logits, inputs["label_ids"].flatten(), self.config, self._weights)

    def loss_weight(self, batch: Batch, examples: int) -> float:
        del examples
        return weight_of_labels(batch["label_ids"], None if self.config.has_crf else self._weights)

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        """The best label's id of each token and its probability; with a CRF the logits: `decode` knows the words."""
        lengths = batch["input_mask"].sum(axis=1).astype("int64")
        if self.config.has_crf:
            rows = zip(outputs["logits"], lengths, strict=True)
            return [{"logits": row[:length], "transitions": outputs["transitions"]} for row, length in rows]
        logits = outputs["logits"]
        best = logits.argmax(axis=-1)  # [batch seq]
        below = (logits - logits.max(axis=-1, keepdims=True)) / self.temperature
        probabilities = 1.0 / np.exp(below).sum(axis=-1)  # [batch seq], of `best`
        return [
            {"label_ids": row[:length], "probabilities": chances[:length]}
            for row, chances, length in zip(best, probabilities, lengths, strict=True)
        ]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "words", "labels", "spans": [{"type", "start", "end", "text", "score"}]}` per record.

        `start` is a span's first word, `end` the word after its last one. `score` is the mean of the probabilities of
        its words' labels; a CRF, which chooses labels as a whole, has none. Where a record has its text and the offsets
        of its words, `start_char` and `end_char` are the span's characters, and its `text` is exactly these. Labels
        that are rules of lemmas are followed by the `lemmas` that they make of the words.
        """
        groups = examples_by_record(dataset)
        return [self._prediction(index, rows, outputs, dataset) for index, rows in enumerate(groups)]

    def gold_records(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records with the `spans` of their labels, None where tags mark no spans, and the `lemmas` of rules."""
        return [self._with_gold(record) if "labels" in record else record for record in records]

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedSpans:
        marks_spans = self._scheme.name != "none"
        both: tuple[Sequence[Record], ...] = records, predictions
        gold, predicted = ([_listed(row) for row in rows] if marks_spans else None for rows in both)
        return ComparedSpans(
            [cast("Sequence[str]", prediction["words"]) for prediction in predictions],
            [cast("Sequence[str]", record["labels"]) for record in records],
            [cast("Sequence[str]", prediction["labels"]) for prediction in predictions],
            gold,
            predicted,
            "" if self.config.for_cn else " ",
        )

    def scored_labels(self, outputs: Outputs, batch: Batch) -> list[ScoredLabels] | None:
        if self.config.has_crf:
            return None
        rows = zip(outputs["logits"], batch["label_ids"], strict=True)
        return [ScoredLabels(logits[ids != UNLABELLED], ids[ids != UNLABELLED]) for logits, ids in rows]

    @property
    def uncalibrated(self) -> str | None:
        return "a CRF chooses labels as a whole, and gives none a probability" if self.config.has_crf else None

    def describe(self, prediction: Prediction) -> list[str]:
        """The spans with their types; the tagged words where tags mark no spans."""
        if self._scheme.name == "none":
            shown = "lemmas" if "lemmas" in prediction else "labels"
            tagged = zip(*(cast("Sequence[str]", prediction[name]) for name in ("words", shown)), strict=True)
            return [" ".join(f"{word}/{tag}" for word, tag in tagged)]
        spans = cast("Sequence[Mapping[str, object]]", prediction["spans"])
        return [f"{span['type']}: {span['text']}" for span in spans] or ["(no span)"]

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """`[{"entity_group", "score", "word", "start", "end"}]`, in characters of the text.

        A CRF has no probability of a label, so that `score` is missing.
        """
        spans = cast("Sequence[Mapping[str, object]]", prediction["spans"])
        places = _characters(row.texts[0] if row.texts else "", cast("Sequence[str]", prediction["words"]))
        return [_entity(span, places) for span in spans]

    @property
    def notes(self) -> Sequence[str]:
        if self.labels is None:
            return ()
        is_set = self.config.tag_scheme != "auto"
        return (f"tag scheme {describe_scheme(self._scheme, self.labels.names, is_set=is_set)}.",)

    @property
    def missing_metrics(self) -> Collection[str]:
        return {"span_f1", "span_precision", "span_recall"} if self._scheme.name == "none" else ()

    @property
    def incomparable(self) -> str | None:
        return "a CRF" if self.config.has_crf else None

    @property
    def transformers_head(self) -> TransformersHead | None:
        return None if head_form(self.config) else TransformersHead("ForTokenClassification")

    @property
    def decoding_rules(self) -> dict[str, object]:
        """`outside`: the label of a word in no window; `tags`: meaning (B, I, E, S, O) and type of each label.

        `strict`: the patterns of neighbours by which a strict scheme is read, see `palm.data.spans`; null where spans
        are read as CoNLL's evaluation does. `tags` is null where labels mark no spans.
        """
        names = class_names(self.labels, self._count_classes())
        marks_spans = self._scheme.name != "none"
        return {
            **({"lemma_rules": True} if self._has_lemmas else {}),
            "outside": _outside(names),
            "tags": {name: self._scheme.split(name) or OUTSIDE_PARTS for name in names} if marks_spans else None,
            "strict": strict_patterns(self._scheme) if marks_spans else None,
        }

    def _prediction(self, index: int, rows: IntArray, outputs: Sequence[Outputs], dataset: Dataset) -> Prediction:
        words = cast("Sequence[str]", dataset.records[index]["words"])
        windows = [_labelled(dataset.ragged("word_index")[row], outputs[row]) for row in rows]
        ids, probabilities = _merge(windows, len(words))
        names = class_names(self.labels, self._count_classes())
        outside = _outside(names)
        labels = [outside if number < 0 else names[number] for number in ids]
        spans = self._spans(dataset.records[index], labels)
        if probabilities is not None:
            for span in spans:
                span["score"] = float(probabilities[span["start"] : span["end"]].mean())
        found: Prediction = {"index": index, "words": list(words), "labels": labels, "spans": spans}
        return {**found, **self._lemmas(words, labels)}

    def _with_gold(self, record: Record) -> Record:
        words, labels = (cast("Sequence[str]", record[name]) for name in ("words", "labels"))
        return {**record, "spans": self._gold_spans(record), **self._lemmas(words, labels)}

    def _lemmas(self, words: Sequence[str], labels: Sequence[str]) -> dict[str, object]:
        if not self._has_lemmas:
            return {}
        return {"lemmas": [apply_rule(word, rule) for word, rule in zip(words, labels, strict=True)]}

    def _gold_spans(self, record: Record) -> list[dict[str, object]] | None:
        return None if self._scheme.name == "none" else self._spans(record, cast("Sequence[str]", record["labels"]))

    def _spans(self, record: Record, labels: Sequence[str]) -> list[dict[str, Any]]:
        found = spans_of(labels, self._scheme)
        return [{"type": span.type, "start": span.start, "end": span.end, **self._text(record, span)} for span in found]

    def _text(self, record: Record, span: Span) -> dict[str, object]:
        """The span's text, and its characters where they are known."""
        if "offsets" in record:
            offsets = cast("Sequence[Sequence[int]]", record["offsets"])
            start, end = offsets[span.start][0], offsets[span.end - 1][1]
            return {"text": str(record["text"])[start:end], "start_char": start, "end_char": end}
        words, glue = cast("Sequence[str]", record["words"]), "" if self.config.for_cn else " "
        return {"text": glue.join(words[span.start : span.end])}

    def _count_classes(self) -> int:
        return count_classes(self.config.n_classes, self.labels)


def _listed(row: Record) -> list[Span]:
    spans = cast("Sequence[Mapping[str, Any]]", row["spans"])
    return [Span(int(span["start"]), int(span["end"]), str(span["type"])) for span in spans]


def _outside(names: Sequence[str]) -> str:
    """The label of a word that no window holds."""
    return next((name for name in OUTSIDE if name in names), names[0])


def _characters(text: str, words: Sequence[str]) -> list[tuple[int, int]] | None:
    """Start and end of each word in the text, in characters; None where it does not hold them."""
    places, after = [], 0
    for word in words:
        start = text.find(word, after)
        if start < 0:
            return None
        after = start + len(word)
        places.append((start, after))
    return places


def _entity(span: Mapping[str, object], places: Sequence[tuple[int, int]] | None) -> dict[str, object]:
    start, end = span.get("start_char"), span.get("end_char")
    if start is None and places is not None:
        start, end = places[cast("int", span["start"])][0], places[cast("int", span["end"]) - 1][1]
    return one_entity(span, start, end)


def _scheme_of(config: TaggingFields, labels: LabelMap | None) -> TagScheme:
    """The scheme that is set, else that of the training data, else BIO.

    Raises:
        ConfigError: The tags are not of the scheme that is set.
    """
    if labels is None:
        return TagScheme()
    name = labels.tag_scheme if config.tag_scheme == "auto" else config.tag_scheme
    if name is not None:
        return TagScheme.of(name, labels.names)
    # Models exported before schemes were known read all tags as BIO.
    if says_more_than_bio(labels.names):
        rule = "spans are read as BIO, as nothing says which scheme the tags are of"
        LOG.warning("%s. Found %s. Set tag_scheme.", rule, ", ".join(labels.names[:4]))
    return older_scheme(labels.names)


@dataclass(frozen=True)
class _Window:
    """The labels of a window's tokens.

    Attributes:
        word_index: Index of each token's word, for its first token; else -1.
        label_ids: Label id of each token.
        probabilities: Probability of this label; None with a CRF.
    """

    word_index: np.ndarray
    label_ids: np.ndarray
    probabilities: np.ndarray | None


def _labelled(word_index: np.ndarray, output: Outputs) -> _Window:
    """The labels of a window, of which those of words' first tokens count."""
    if "transitions" not in output:
        return _Window(word_index, output["label_ids"], output.get("probabilities"))
    label_ids = np.zeros(len(word_index), "int64")
    words = word_index >= 0
    label_ids[words] = viterbi(output["logits"][words], output["transitions"])
    return _Window(word_index, label_ids, None)


def _merge(windows: Sequence[_Window], count: int) -> tuple[list[int], np.ndarray | None]:
    """Label id of each word from the window with most context around it, -1 for a word in no window; probabilities."""
    ids, context, probabilities = np.full(count, -1), np.full(count, -1), np.zeros(count)
    for window in windows:
        places = np.flatnonzero(window.word_index >= 0)
        words = window.word_index[places]
        around = np.minimum(places, len(window.word_index) - 1 - places)
        better = around > context[words]
        chosen = words[better]
        ids[chosen], context[chosen] = window.label_ids[places[better]], around[better]
        if window.probabilities is not None:
            probabilities[chosen] = window.probabilities[places[better]]
    known = all(window.probabilities is not None for window in windows)
    return ids.tolist(), probabilities if known else None
